# A table of expectations: rows of `{ name; want; have; }`.
{ lib }:
let
  show = lib.generators.toPretty { multiline = false; };

  line = row: "${row.name}: should be ${row.want}, is ${row.have}";

  text =
    judged:
    lib.concatLines (
      [ "expectations ${toString (lib.length judged)}" ]
      ++ map (row: "wrong ${line row}") (lib.filter (row: !row.ok) judged)
    );
in
{
  # As data that leaves the evaluation.
  judge = map (row: {
    inherit (row) name;
    ok = row.want == row.have;
    want = show row.want;
    have = show row.have;
  });

  # As lines of `key value`.
  inherit text;
  reportText =
    answer:
    text answer.rows
    + lib.concatLines [
      "drvPath ${builtins.unsafeDiscardOutputDependency answer.drvPath}"
      "attribute ${answer.attribute}"
      "system ${answer.system}"
      "baked ${toString answer.baked}"
    ];

  # As a derivation that builds when every row holds. Only its text fails otherwise, so
  # what it carries in `passthru` can be asked for in any case.
  check =
    pkgs: name: judged: note:
    let
      wrong = lib.filter (row: !row.ok) judged;
    in
    pkgs.runCommand name {
      text = lib.throwIf (wrong != [ ]) ''
        ${name}: ${toString (lib.length wrong)} of ${toString (lib.length judged)} expectations do not hold:
        ${lib.concatMapStringsSep "\n" line wrong}
      '' "${toString (lib.length judged)} expectations hold. ${note}";
    } ''echo "$text" > $out'';
}
