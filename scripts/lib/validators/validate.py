"""Holds documents of a release against what CycloneDX and in-toto themselves publish.

validate.py FILE…: a line for each, and exit code 1 if one is not what its name says:
*.sbom.json is CycloneDX 1.6, *.provenance.json an in-toto statement with SLSA provenance.
"""

import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message

PROVENANCE = "https://slsa.dev/provenance/v1"


def bill_of_materials(text):
    """A sentence on `text` as CycloneDX 1.6; a ValueError says what is wrong."""
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        # Its text has the whole schema in it.
        error = wrong.data
        raise ValueError(f"{error.json_path}: {error.message[:500]}")
    return f"CycloneDX 1.6, {len(json.loads(text)['components'])} components"


def provenance(text):
    """A sentence on `text` as provenance; a ValueError says what is wrong."""
    # Both refuse fields that their messages do not have.
    message = json_format.Parse(text, Message())
    Statement.copy_from_pb(message).validate()
    if message.predicate_type != PROVENANCE:
        raise ValueError(f"the predicate is {message.predicate_type}")
    said = json_format.ParseDict(json.loads(text)["predicate"], Provenance())
    for name, value in (
        ("buildDefinition.buildType", said.build_definition.build_type),
        ("buildDefinition.externalParameters", said.build_definition.external_parameters.fields),
        ("runDetails.builder.id", said.run_details.builder.id),
    ):
        if not value:
            raise ValueError(f"SLSA wants {name}, which is not there")
    return f"SLSA provenance of {', '.join(subject.name for subject in message.subject)}"


KINDS = {".sbom.json": bill_of_materials, ".provenance.json": provenance}


def main(files):
    """Validates all of `files`, and gives the exit code."""
    failed = False
    for file in files:
        kind = next((kind for end, kind in KINDS.items() if file.endswith(end)), None)
        try:
            if kind is None:
                raise ValueError(f"its name ends with none of {', '.join(KINDS)}")
            print(f"{file}: {kind(pathlib.Path(file).read_text(encoding='utf-8'))}")
        except (OSError, ValueError, json_format.ParseError) as error:
            print(f"{file}: error: {error}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
