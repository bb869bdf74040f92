//! A graph of derivations as large as that of a small package, made of numbers: as wide as deep,
//! each with three inputs, and all of them behind one that two graphs differ in.

/// How many there are.
pub(crate) const COUNT: usize = 1_000;
/// How many have inputs in common.
const WIDTH: usize = 32;

/// The path of derivation `number` of the graph on this `side`, which is one digit.
pub(crate) fn path(side: usize, number: usize) -> String {
    format!("/nix/store/{side}{number:031}-node-{number}-1.0.drv")
}

/// Whose path it is.
pub(crate) fn number(path: &str) -> Option<(usize, usize)> {
    let digits = path.strip_prefix("/nix/store/")?.get(..32)?;
    let (side, number) = digits.split_at(1);
    Some((side.parse().ok()?, number.parse().ok()?))
}

fn output(side: usize, number: usize) -> String {
    format!("/nix/store/{}{number:031}-node-{number}-1.0", side + 2)
}

/// The text of it.
pub(crate) fn text(side: usize, number: usize) -> String {
    let row = number / WIDTH;
    let below = |column: usize| (row - 1) * WIDTH + column % WIDTH;
    let mut inputs = match (number, row) {
        (0, _) => Vec::new(),
        (_, 0) => vec![0],
        _ => [number, number + 1, number * 7 + 3].map(below).to_vec(),
    };
    inputs.sort_unstable();
    inputs.dedup();
    let drvs: Vec<String> = inputs
        .iter()
        .map(|&input| format!(r#"("{}",["out"])"#, path(side, input)))
        .collect();
    let outputs: Vec<String> = inputs.iter().map(|&input| output(side, input)).collect();
    let phase: Vec<String> = outputs
        .iter()
        .map(|output| format!(r#"cp -r \"{output}\"/. $out/\n"#))
        .collect();
    let word = match number {
        0 => format!(r#"("word","{side}")"#),
        _ => r#"("version","1.0")"#.to_owned(),
    };
    let out = output(side, number);
    format!(
        r#"Derive([("out","{out}","","")],[{}],[],"x86_64-linux","/bin/sh",["-e","-c","build"],[("buildInputs","{}"),("builder","/bin/sh"),("installPhase","{}"),("name","node-{number}-1.0"),("out","{out}"),("system","x86_64-linux"),{word}])"#,
        drvs.join(","),
        outputs.join(" "),
        phase.concat(),
    )
}
