"""`python -m media.sfu.worker`: one relay process, with nothing in it that it does not need."""

import os
import sys

from media.sfu.no_codecs import leave_codecs_out

if __name__ == "__main__":
    leave_codecs_out()
    # libuv's threads look up names; one is enough where every address is a number.
    os.environ.setdefault("UV_THREADPOOL_SIZE", "1")

    from media.sfu.rooms import run

    run(sys.argv[1:])
