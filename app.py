"""The page, in a checkout; where the package is installed, `captioner demo` serves it.

python app.py            then open http://127.0.0.1:7860
python app.py --help
"""

import sys

from captioner.cli import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
