# The check of `assertions`: around whatever everything else is built from.
lib: {
  whenAssertionsHold =
    assertions: value:
    let
      failed = builtins.filter (check: !check.assertion) assertions;
    in
    if failed == [ ] then
      value
    else
      throw "\nFailed assertions:${lib.concatMapStrings (check: "\n- ${check.message}") failed}";
}
