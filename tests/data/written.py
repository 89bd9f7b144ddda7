"""The same rows written in every container that is read; workbooks by hand, as no library for them is needed else."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
Rows = list[dict[str, Any]]


def write_workbook(path: Path, sheets: dict[str, list[list[Any]] | str]) -> Path:
    """An .xlsx of sheets: rows of cells, or the XML of a sheet. A tuple is (style or type attribute, value)."""
    names = "".join(f'<sheet name="{escape(n)}" sheetId="{i}" r:id="rId{i}"/>' for i, n in enumerate(sheets, 1))
    links = "".join(
        f'<Relationship Id="rId{i}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    relationships = f'<Relationships xmlns="{_PACKAGE}/relationships">'
    styles = f'<Relationship Id="rIdS" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": relationships
        + f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"{relationships}{links}{styles}</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    for number, rows in enumerate(sheets.values(), 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = rows if isinstance(rows, str) else sheet_xml(rows)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def sheet_xml(rows: list[list[Any]], first: int = 1) -> str:
    cells = (
        f'<row r="{number}">{"".join(_cell(chr(65 + place), number, value) for place, value in enumerate(row))}</row>'
        for number, row in enumerate(rows, first)
    )
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(cells)}</sheetData></worksheet>'


def _cell(column: str, row: int, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f'<c r="{column}{row}" {value[0]}><v>{value[1]}</v></c>'
    if isinstance(value, bool):
        return f'<c r="{column}{row}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, (int, float)):
        return f'<c r="{column}{row}"><v>{value}</v></c>'
    return f'<c r="{column}{row}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def csv_text(rows: Rows, delimiter: str = ",") -> str:
    """As Python's csv writes it; objects and lists as JSON, true and numbers as JSON spells them."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(rows[0])
    writer.writerows([flat(value) for value in row.values()] for row in rows)
    return text.getvalue()


def flat(value: Any) -> Any:
    """What a table of plain cells holds for a value of JSON."""
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list, bool)) else value


def write_database(path: Path, rows: Rows, table: str = "rows") -> Path:
    with closing(sqlite3.connect(path)) as connection:
        columns = ", ".join(f'"{name}"' for name in rows[0])
        connection.execute(f'CREATE TABLE "{table}" ({columns})')
        marks = ", ".join("?" * len(rows[0]))
        values = [[flat(value) for value in row.values()] for row in rows]
        connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', values)
        connection.commit()
    return path


def json_lines(rows: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _parquet(path: Path, rows: Rows) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)


def _saved(path: Path, rows: Rows) -> None:
    import datasets

    datasets.Dataset.from_list(rows).save_to_disk(str(path))


def _zstd(raw: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(raw)


def _xlsx(path: Path, rows: Rows) -> None:
    cells = [[value if isinstance(value, bool) else flat(value) for value in row.values()] for row in rows]
    write_workbook(path, {"Sheet1": [list(rows[0]), *cells]})


# Name of the file or folder → what writes it.
CONTAINERS: dict[str, Callable[[Path, Rows], object]] = {
    "rows.jsonl": lambda path, rows: path.write_text(json_lines(rows)),
    "rows.json": lambda path, rows: path.write_text(json.dumps(rows)),
    "object.json": lambda path, rows: path.write_text(json.dumps({"version": 1, "data": rows}, indent=1)),
    "rows.csv": lambda path, rows: path.write_text(csv_text(rows)),
    "rows.tsv": lambda path, rows: path.write_text(csv_text(rows, "\t")),
    "rows.jsonl.gz": lambda path, rows: path.write_bytes(gzip.compress(json_lines(rows).encode())),
    "rows.csv.xz": lambda path, rows: path.write_bytes(lzma.compress(csv_text(rows).encode())),
    "rows.json.zst": lambda path, rows: path.write_bytes(_zstd(json.dumps(rows).encode())),
    "rows.parquet": _parquet,
    "saved": _saved,
    "rows.sqlite": write_database,
    "rows.xlsx": _xlsx,
}
