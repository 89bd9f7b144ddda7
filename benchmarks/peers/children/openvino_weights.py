"""Bytes of constants that one token reads in an OpenVINO IR: of a table that is only looked up, one row."""

from __future__ import annotations

import json
import sys
from typing import Any


def constants_above(node: Any) -> list[Any]:
    """The constants that a table is decompressed from: values, zero points, scales."""
    if node.get_type_name() == "Constant":
        return [node]
    if node.get_type_name() not in {"Convert", "Multiply", "Subtract", "Reshape"}:
        return []
    return [found for port in node.inputs() for found in constants_above(port.get_source_output().get_node())]


def main() -> None:
    import openvino

    operations = openvino.Core().read_model(sys.argv[1]).get_ops()
    constants = {node.get_friendly_name(): node for node in operations if node.get_type_name() == "Constant"}
    total = sum(int(node.get_byte_size()) for node in constants.values())
    for node in operations:
        if node.get_type_name() != "Gather":
            continue
        for table in constants_above(node.input(0).get_source_output().get_node()):
            readers = table.output(0).get_target_inputs()
            if len(readers) == 1 and table.get_output_shape(0):
                total -= int(table.get_byte_size() * (1 - 1 / max(table.get_output_shape(0)[0], 1)))
    print(json.dumps(total))


if __name__ == "__main__":
    main()
