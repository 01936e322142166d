"""Makes values.schema.json of values.yaml and of the configuration's schema.

    values_schema.py VALUES CONFIGURATION_SCHEMA >values.schema.json

A value's type is that of its default, its description the comment `# -- …` above it; a line
`# @schema {…}` adds to its schema. Values that are not in values.yaml are refused. The
configuration's schema is what `kvgate config-schema` prints, and it becomes the definition
`Configuration`, changed in two ways: what the chart fills in is not required, and secrets can't be
written in it, as it becomes a ConfigMap.
"""

import json
import re
import sys
from typing import Any

import yaml

Schema = dict[str, Any]

TYPES = {
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "str": "string",
    "null": "null",
}

# The configuration's tables that the chart fills in.
FILLED_IN = ("Server", "Tls")

# A password in a URL: `scheme://user:password@host`.
URL_WITH_PASSWORD = "://[^/?#@]*:[^/?#@]+@"

# Where a secret may be instead: in a variable or in a file.
SOURCES = [
    {
        "type": "object",
        "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
]


def main(values_file: str, configuration_file: str) -> None:
    with open(values_file, encoding="utf-8") as file:
        text = file.read()
    with open(configuration_file, encoding="utf-8") as file:
        configuration = json.load(file)
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart kvgate",
        "description": "Made by helm/generate of values.yaml and of `kvgate config-schema`.",
    }
    schema |= of_mapping(yaml.compose(text), text.splitlines())
    # Helm adds it to the values of every chart that is part of another
    schema["properties"]["global"] = {"type": "object"}
    definitions = configuration.pop("$defs", {}) | {
        "Configuration": of_chart(configuration)
    }
    for name in FILLED_IN:
        definitions[name].pop("required", None)
    schema["$defs"] = {
        name: without_secrets(each) for name, each in definitions.items()
    }
    json.dump(schema, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


def of_mapping(node: yaml.MappingNode, lines: list[str]) -> Schema:
    """The schema of a table: its fields, and no others."""
    properties = {}
    for key, value in node.value:
        given, description = comments(lines, key.start_mark.line)
        # by reference, nothing may stand beside it that it does not know
        schema = given if "$ref" in given else of_value(value, lines, given)
        if description:
            schema = {"description": description} | schema
        properties[key.value] = schema
    return {"type": "object", "properties": properties, "additionalProperties": False}


def of_value(node: yaml.Node, lines: list[str], given: Schema) -> Schema:
    if isinstance(node, yaml.MappingNode):
        documented = (
            node.value
            and not given
            and any(comments(lines, key.start_mark.line)[1] for key, _ in node.value)
        )
        if documented:
            return of_mapping(node, lines)
        schema: Schema = {"type": "object"}
        if "properties" in given:
            schema["additionalProperties"] = False
            # only what is there: the default is empty
            given = {
                "anyOf": [{"maxProperties": 0}, {"required": given.pop("required", [])}]
            } | given
    elif isinstance(node, yaml.SequenceNode):
        schema = {"type": "array"}
    else:
        schema = {"type": TYPES[node.tag.rsplit(":", 1)[1]]}
    schema |= given
    if "enum" in schema:
        del schema["type"]
    return schema


def comments(lines: list[str], line: int) -> tuple[Schema, str]:
    """What the comment above a line says: what is given of the schema, and the description."""
    block: list[str] = []
    while line > 0 and lines[line - 1].strip().startswith("#"):
        line -= 1
        block.insert(0, lines[line].strip().removeprefix("#").strip())
    given: Schema = {}
    description: list[str] = []
    for text in block:
        if text.startswith("@schema "):
            given |= json.loads(text.removeprefix("@schema "))
        elif text.startswith("-- "):
            # the type in parentheses is for the table of values
            description = [re.sub(r"^-- (\([^)]*\) )?", "", text)]
        elif description and not text.startswith("@"):
            description.append(text)
    return given, " ".join(description)


def of_chart(configuration: Schema) -> Schema:
    """The configuration's schema, with messages that name the mistake of a store."""
    for keyword in ("$schema", "required"):
        configuration.pop(keyword, None)
    configuration["properties"].pop("$schema", None)
    stores = configuration["properties"]["stores"]
    stores["additionalProperties"] = by_type(stores["additionalProperties"]["oneOf"])
    stores.pop("minProperties", None)
    return configuration


def by_type(alternatives: list[Schema]) -> Schema:
    """Of several tables with a `type`, the one of that type: the others are no matter."""
    words = [each["properties"]["type"]["const"] for each in alternatives]
    return {
        "type": "object",
        "properties": {"type": {"enum": words}},
        "required": ["type"],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": word}}, "required": ["type"]},
                "then": each,
            }
            for word, each in zip(words, alternatives, strict=True)
        ],
    }


def without_secrets(schema: Any) -> Any:
    """The schema without secrets that are written out, with URLs without passwords."""
    if isinstance(schema, list):
        return [without_secrets(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    title = str(schema.get("title"))
    schema = {keyword: without_secrets(each) for keyword, each in schema.items()}
    if title == "secret":
        return schema | {"anyOf": SOURCES}
    if title.endswith("as a secret"):
        text = {"type": "string", "not": {"pattern": URL_WITH_PASSWORD}}
        return schema | {"anyOf": [text, *SOURCES]}
    if (
        schema.get("type") == "string"
        and "const" not in schema
        and "enum" not in schema
    ):
        # also of what is no secret: a URL may have one in it
        schema |= {"not": {"pattern": URL_WITH_PASSWORD}}
    match schema.get("anyOf"):
        case [alternative, {"type": "null"}]:
            # nobody writes null, and messages would be of both
            del schema["anyOf"]
            schema |= alternative
    return schema


if __name__ == "__main__":
    main(*sys.argv[1:])
