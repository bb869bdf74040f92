# Rows of `{ name; want; have; }` as lines, without nixpkgs: how many there are, and each that does
# not hold.
rows:
let
  wrong = builtins.filter (row: row.have != row.want) rows;
  show = value: builtins.unsafeDiscardStringContext (builtins.toJSON value);
  line = row: "wrong ${row.name}: should be ${show row.want}, is ${show row.have}\n";
in
"expectations ${toString (builtins.length rows)}\n" + builtins.concatStringsSep "" (map line wrong)
