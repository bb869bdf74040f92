# Completion of PROGRAM for Nushell: load it from a folder of `$nu.vendor-autoload-dirs`, or
# with `source` in config.nu. Completers that are there already go on answering for the rest.
$env.config.completions.external = (
    $env.config.completions.external | merge (do {
        let others = $env.config.completions.external.completer?
        {
            enable: true
            completer: {|words|
                if ($words.0 == "PROGRAM") {
                    with-env { VARIABLE: "nushell" } { ^COMPLETER -- ...$words } | from json
                } else if $others != null {
                    do $others $words
                }
            }
        }
    })
)
