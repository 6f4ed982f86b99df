"""What docs/extending.md says is done, in a copy of the packages."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$",
    (ROOT / "docs/extending.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


def follow(folder, block):
    """Write the file that a block is, or its lines into one that is there."""
    first, _, text = block.partition("\n")
    path = folder / first.removeprefix("# ")
    if not path.exists():
        path.write_text(text, "utf-8")
        return
    imports, _, rest = text.rpartition("\n\n")
    # The first entry of the table, which may stand on the table's own line.
    found = re.match(r"(\w+).*?[({]\s*(.+?,)(?=\s*[\n)])", rest, re.DOTALL)
    table, entry = found.groups()
    old = path.read_text("utf-8")
    new = re.sub(
        rf"^({table}\b.*)$", rf"\1\n    {entry}", old, count=1, flags=re.MULTILINE
    )
    assert new.count(entry) == 1
    first_import = new.index("\nfrom ")
    new = new[:first_import] + "\n" + imports + new[first_import:]
    path.write_text(new, "utf-8")


@pytest.mark.slow
def test_the_examples_work(tmp_path):
    for package in ("captioner", "shared", "vqa"):
        ignored = shutil.ignore_patterns("bundle", "__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    scripts = [block for block in BLOCKS if not block.startswith("# ")]
    for block in BLOCKS:
        if block not in scripts:
            follow(tmp_path, block)
    assert len(scripts) >= 3
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += "".join(f"exec({script!r}, {{}})\n" for script in scripts)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
