# Starts gsyncd at the end of geo-replication that gets the copy. Written by berry.
#
# What its other end sends are pickles, and one that was made for it runs any program.
# gsyncd's own are made of plain values: here nothing else is taken.
#
# ConfigParser.readfp has gone with Python 3.12, and GlusterFS 11.1 still calls it.
#
# glusterd now and then never answers one of several that ask it for a mount at the same
# time, which all storage nodes do when a session starts; gsyncd's other end gives up after
# a minute. So they mount one after the other.
import configparser
import fcntl
import os
import pickle
import runpy
import sys
import time


class Plain(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("_codecs", "encode"):  # how protocol 2 writes bytes
            return super().find_class(module, name)
        raise pickle.UnpicklingError("%s.%s is no plain value" % (module, name))


pickle.load = lambda file: Plain(file).load()
if not hasattr(configparser.RawConfigParser, "readfp"):
    configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file

sys.argv = sys.argv[1:]
sys.path[0] = sys.argv[0].rpartition("/")[0]

TURN_WITHIN = 20  # seconds; who mounts takes two

import resource  # gsyncd's

connect = resource.GLUSTER.connect


def in_turn(self):
    turn = os.open(sys.path[0], os.O_RDONLY)  # their programs' folder serves as the lock
    limit = time.time() + TURN_WITHIN
    while time.time() < limit:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.1)
    try:
        connect(self)
    finally:
        fcntl.flock(turn, fcntl.LOCK_UN)  # for the child that gsyncd leaves behind, too
        os.close(turn)


resource.GLUSTER.connect = in_turn
runpy.run_path(sys.argv[0], run_name="__main__")
