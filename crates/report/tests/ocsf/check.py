"""Checks reports against OCSF's own schema, in the version that they say they are of.

    python check.py REPORT.json...

Every event has to be valid with nothing in it that its class does not know, and texts beside numbers (`severity` beside
`severity_id`) have to be those of the schema. Ends with 1 and says what is wrong.
"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

SCHEMAS = {}


def schema(version):
    """OCSF of a version: as it is published, and as something that makes JSON schemas of it."""
    if version not in SCHEMAS:
        published = get_ocsf_schema(version)
        SCHEMAS[version] = published, OcsfJsonSchemaEmbedded(published)
    return SCHEMAS[version]


def captions(values, attributes, objects, path="$"):
    """Texts beside numbers that are not what the schema calls these."""
    for name, value in values.items():
        attribute = attributes.get(name, {})
        beside = attribute.get("sibling")
        known = attribute.get("enum", {}).get(str(value))
        if beside in values and known and known["caption"] not in ("Other", values[beside]):
            yield f"{path}.{beside}: {values[beside]!r}, expected {known['caption']!r} of {name} {value}"
        within = objects.get(attribute.get("object_type"), {}).get("attributes", {})
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from captions(one, within, objects, f"{path}.{name}")


def complaints(event):
    """What is wrong with one event."""
    published, maker = schema(event["metadata"]["version"])
    name = maker.lookup_class_name_from_uid(event["class_uid"])
    rules = maker.get_class_schema(name, event["metadata"].get("profiles", []))
    for error in Draft202012Validator(rules).iter_errors(event):
        yield f"{error.json_path}: {error.message}"
    yield from captions(event, published["classes"][name]["attributes"], published["objects"])


def main():
    wrong = 0
    count = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            events = json.load(file)
        count += len(events)
        for index, event in enumerate(events):
            for complaint in complaints(event):
                wrong += 1
                print(f"{path}: event {index}: {complaint}", file=sys.stderr)
    if count == 0:
        print("there is no event in what is to be checked", file=sys.stderr)
        wrong += 1
    print(f"{count} events, {wrong} complaints")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
