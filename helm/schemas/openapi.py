"""Makes strict JSON schemas for kubeconform: a field that a kind does not have is a mistake.

    openapi.py swagger FOLDER swagger.json        of Kubernetes' OpenAPI document
    openapi.py definitions FOLDER FILE...         of custom resource definitions, in YAML

A kind's schema is self-contained and in FOLDER/KIND-GROUP-VERSION.json, with the group's first word.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]

INT_OR_STRING: Schema = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
NUMBER_OR_STRING: Schema = {"oneOf": [{"type": "string"}, {"type": "number"}]}
SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": NUMBER_OR_STRING,
}
KEPT = (
    "type",
    "required",
    "enum",
    "minimum",
    "maximum",
    "pattern",
    "minItems",
    "maxItems",
    "maxLength",
    "minLength",
)
# They are not written by anybody.
ANSWERS = ("DeleteOptions", "WatchEvent", "Status")


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Reads a lone `=` as the text that it is in YAML 1.2; Prometheus' matchers have it."""


Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)


def main(source: str, folder: str, *files: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    count = 0
    for file in files:
        text = Path(file).read_text(encoding="utf-8")
        kinds = (
            of_swagger(json.loads(text))
            if source == "swagger"
            else of_definitions(text)
        )
        for group, version, kind, schema in kinds:
            write(Path(folder), group, version, kind, schema)
            count += 1
    print(f"{folder}: {count} kinds")


def of_swagger(document: Schema):
    definitions = document["definitions"]
    for name, schema in definitions.items():
        for each in schema.get("x-kubernetes-group-version-kind", []):
            kind = each["kind"]
            if kind not in ANSWERS and not kind.endswith("List"):
                strict = convert(schema, definitions, frozenset({name}))
                yield each["group"], each["version"], kind, strict


def of_definitions(text: str):
    for document in yaml.load_all(text, Loader):
        if not document or document.get("kind") != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        for version in spec["versions"]:
            schema = version.get("schema", {}).get("openAPIV3Schema", {})
            strict = convert(schema, {}, frozenset())
            # what the definition leaves to Kubernetes
            strict["properties"]["metadata"] = {"type": "object"}
            yield spec["group"], version["name"], spec["names"]["kind"], strict


def convert(schema: Schema, definitions: Schema, above: frozenset[str]) -> Schema:
    """The schema without references, that takes no other fields."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name in SPECIAL:
            return SPECIAL[name]
        # only definitions of custom resources have themselves below them
        return (
            {}
            if name in above
            else convert(definitions[name], definitions, above | {name})
        )
    if schema.get("format") == "int-or-string" or schema.get(
        "x-kubernetes-int-or-string"
    ):
        return INT_OR_STRING
    strict = {keyword: value for keyword, value in schema.items() if keyword in KEPT}
    if "items" in schema:
        strict["items"] = convert(schema["items"], definitions, above)
    if isinstance(schema.get("additionalProperties"), dict):
        strict["additionalProperties"] = convert(
            schema["additionalProperties"], definitions, above
        )
    if "properties" in schema:
        required = schema.get("required", ())
        strict["properties"] = {
            name: convert(each, definitions, above)
            if name in required
            else nullable(convert(each, definitions, above))
            for name, each in schema["properties"].items()
        }
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict["additionalProperties"] = False
    return strict


def nullable(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    return schema


def write(folder: Path, group: str, version: str, kind: str, schema: Schema) -> None:
    properties = schema.get("properties", {})
    if "kind" in properties:
        properties["kind"] = {"enum": [kind]}
        properties["apiVersion"] = {
            "enum": [f"{group}/{version}" if group else version]
        }
    schema["required"] = sorted({*schema.get("required", ()), "kind", "apiVersion"})
    name = "-".join(filter(None, (kind.lower(), group.split(".")[0], version)))
    (folder / f"{name}.json").write_text(
        json.dumps(schema, separators=(",", ":"), sort_keys=True)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
