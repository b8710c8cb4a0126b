# Starts gsyncd at the end of geo-replication that gets the copy. Written by berry.
#
# What its other end sends are pickles, and one that was made for it runs any program.
# gsyncd's own are made of plain values: here nothing else is taken.
#
# ConfigParser.readfp has gone with Python 3.12, and GlusterFS 11.1 still calls it.
import configparser
import pickle
import runpy
import sys


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
runpy.run_path(sys.argv[0], run_name="__main__")
