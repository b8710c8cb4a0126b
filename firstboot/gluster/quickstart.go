package gluster

// QuickStart is the text of a .pth file (Python's manual, module site) that has a start of
// glusterd take seconds less. Each time, glusterd tells gsyncd two dozen options of its own,
// one after the other, and each time Python reads the whole of gsyncd, which then only
// ends: since GlusterFS 4 it keeps such options nowhere (QuickWhere). With this, Python ends
// before it has read any of it. What gsyncd is told of a session, in the session's own file,
// it does keep, and that is left alone.
const QuickStart = "import os, sys; w = sys.orig_argv[1:5]; " +
	"len(w) == 4 and w[0].endswith('/gsyncd.py') and w[1] == '-c' and w[2].endswith('/gsyncd_template.conf') and w[3] == '--config-set-rx' and os._exit(0)\n"

// QuickWhere are the words in gsyncd's argsupgrade.py by which it takes no notice of those
// options. Those of GlusterFS 10.3 and 11.1 have them; another may need what it is told.
const QuickWhere = `"--config-set-rx" in sys.argv`
