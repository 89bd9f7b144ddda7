"""A child process that reads one workbook, so that a malicious one cannot exhaust memory and time.

It is run by its path, without importing the package. Its output is JSON lines: ``{"sheets": [...], "reads": NAME}`` or
``{"error": ...}``, then each row as a list of cells; a date is ``{"text": ...}``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

MEMORY, SECONDS = 4 * 1024**3, 300


def limit() -> None:
    """Limit memory and processor time, where the system supports it."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def cell(value: Any) -> Any:
    """A cell as JSON; whole numbers become integers, although workbooks store all numbers as floats."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return {"text": str(value)}


def main(path: str, name: str) -> int:
    """Print the sheet, or the problem with it; the exit code is 0 in both cases."""
    limit()
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        print(json.dumps({"missing": "python-calamine"}))
        return 0
    try:
        workbook = CalamineWorkbook.from_path(path)
        sheets = [sheet.name for sheet in workbook.sheets_metadata if "WorkSheet" in str(sheet.typ)]
        if name not in sheets and (name or len(sheets) != 1):
            print(json.dumps({"sheets": sheets}))
            return 0
        sheet = workbook.get_sheet_by_name(name or sheets[0])
        rows = sheet.iter_rows()
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:200]}))
        return 0
    print(json.dumps({"sheets": sheets, "reads": name or sheets[0]}))
    for row in rows:
        print(json.dumps([cell(value) for value in row]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
