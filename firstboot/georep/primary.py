# What GlusterFS's gsyncd lacks at the end of geo-replication that sends. Written by berry.
# Python runs this at the start of gsyncd, by berry-gsyncd.pth.
#
# ConfigParser.readfp has gone with Python 3.12, and GlusterFS 11.1 still calls it.
#
# A brick tells gsyncd of every changelog that it closes, over a connection that it makes
# back to gsyncd. When two of its threads meet (changelog_ev_connector() and the one that
# hears that the connection is there, 10.3 and 11.1) nothing is ever told, and gsyncd waits
# for good and says that it is active. So gsyncd looks itself for what was closed and not
# told of, in the brick's index of changelogs, as it does when it starts.
import configparser
import glob
import logging
import os
import sys
import time
from importlib.machinery import PathFinder

# In seconds: the brick tells within a moment, and gsyncd asks every three seconds; and how
# long the library may take to read what it is asked for.
TOLD_WITHIN = 4
READ_WITHIN = 60


def number(changelog):
    """When a changelog was closed, in seconds since 1970."""
    return int(changelog.rpartition(".")[2])


def index(changelogs):
    """A brick's index of changelogs, which is the newest one, and since when it goes on and
    when a changelog was closed last; (None, 0, 0) where there is none yet. See htime_update()
    of the changelog translator."""
    try:
        name = max(glob.glob(os.path.join(changelogs, "htime", "HTIME.*")))
        last = os.getxattr(name, "trusted.glusterfs.htime")
        return name, number(name), int(last.partition(b":")[0])
    except (OSError, ValueError):
        return None, 0, 0


def listed(name, start, end):
    """The names of the changelogs of an index that were closed in that time and hold
    anything. The index has a path for each, all of one length, the newest last; those with
    a small letter hold nothing. It grows by 5,760 a day, so it is read from its end."""
    with open(name, "rb") as f:
        size, block = os.fstat(f.fileno()).st_size, 1 << 16
        while True:
            at = max(0, size - block)
            f.seek(at)
            paths = f.read(size - at).decode().split("\0")[:-1]
            if at == 0 or number(paths[1]) < start:
                break
            block *= 4
    paths = paths[1:] if at else paths  # the first may be a part of one
    names = [os.path.basename(p) for p in paths if start <= number(p) <= end]
    return [n for n in names if n.startswith("CHANGELOG.")]


def catch_up(primary):
    """Has the class that waits for what the brick tells look for the rest as well."""
    told = primary.GPrimaryChangelogMixin.crawl
    lib, conf = primary.libgfchangelog, primary.gconf

    def crawl(self):
        before = self.get_data_stime()
        told(self)
        now = self.get_data_stime()
        if now and now != before:  # which is that of the last changelog, less one
            self.berry_done = now[0] + 1
        done = getattr(self, "berry_done", 0)
        changelogs = os.path.join(primary.rconf.args.local_path, ".glusterfs/changelogs")
        name, first, last = index(changelogs)
        if time.time() - last < TOLD_WITHIN:
            return
        start = max(now[0] if now else 0, first, done + 1)
        if start < last:  # the library takes nothing else
            missed(self, changelogs, listed(name, start, last), start, last)
            self.berry_done = last

    def missed(self, changelogs, names, start, end):
        if not names:
            return
        logging.info("the brick has not told of %d changelogs, until %d", len(names), end)
        history = os.path.join(self.tempdir, ".history")
        lib.history_changelog(changelogs, start, end, conf.get("sync-jobs"))
        # The library reads them in threads of its own, and puts each there when it is
        # whole. history_scan(), which is to tell when it has read all, says so at once
        # from the second time on: it never forgets the first.
        changes = [os.path.join(history, ".processing", n) for n in names]
        limit = time.time() + READ_WITHIN
        while not all(map(os.path.exists, changes)):
            if time.time() > limit:
                raise lib.ChangelogException(5, "changelogs until %d were not read" % end)
            time.sleep(0.2)
        mine = self.changelog_done_func, self.processed_changelogs_dir
        self.changelog_done_func = lib.history_done
        self.processed_changelogs_dir = os.path.join(history, ".processed")
        try:
            self.changelogs_batch_process(changes)
        finally:
            self.changelog_done_func, self.processed_changelogs_dir = mine

    primary.GPrimaryChangelogMixin.crawl = crawl


class Finder:
    """Finds gsyncd's module primary, and changes it when it is loaded."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target) if name == "primary" else None
        if spec and spec.loader:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                if hasattr(module, "GPrimaryChangelogMixin"):
                    catch_up(module)

            spec.loader.exec_module = exec_module
        return spec


if not hasattr(configparser.RawConfigParser, "readfp"):
    configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file
sys.meta_path.insert(0, Finder)
