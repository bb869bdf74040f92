//! The page of `cbox size --html`, in a real browser where there is one.

use std::{fs, path::Path};

use regex::Regex;

use super::{built, system};
use crate::support::{
    call::{Ended, find_program},
    nix::say_left_out,
    place::Place,
    quoted, unique,
};

/// What the names in the store cannot be, and an answer of Nix can.
const NASTY: &str = "<!--<script><img src=x onerror=document.title='taken'>&amp;\\\"'";

/// Chromium; without it the test is left out.
fn chromium() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = known.into_iter().find(|name| find_program(name).is_some());
    if found.is_none() {
        say_left_out("no chromium here");
    }
    found
}

/// The document as the browser has it when the script has run.
fn rendered(place: &Place, browser: &str, page: &Path, address: &str) -> String {
    let url = format!("file://{}{address}", page.display());
    let run = browse(place, browser, &["--dump-dom", &url]);
    assert!(!run.stderr.contains("Content Security Policy"), "{run}");
    assert!(!run.stderr.contains("Uncaught"), "{run}");
    run.stdout
}

fn browse(place: &Place, browser: &str, words: &[&str]) -> Ended {
    place
        .call(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--window-size=1200,900",
        ])
        .args(words)
        .run()
        .ok()
}

/// A tile of the map.
#[derive(Debug)]
struct Tile {
    name: String,
    size: f64,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

fn tiles(document: &str) -> Vec<Tile> {
    let tile = Regex::new(
        r#"class="tile[^>]*? data-name="([^"]*)" data-size="(\d+)"[^>]*? style="left: ([\d.e-]+)px; top: ([\d.e-]+)px; width: ([\d.e-]+)px; height: ([\d.e-]+)px;""#,
    )
    .unwrap();
    let tiles: Vec<Tile> = tile
        .captures_iter(document)
        .map(|found| {
            let number = |group: usize| found[group].parse::<f64>().unwrap();
            Tile {
                name: found[1].to_owned(),
                size: number(2),
                left: number(3),
                top: number(4),
                right: number(3) + number(5),
                bottom: number(4) + number(6),
            }
        })
        .collect();
    assert_eq!(tiles.len(), document.matches("class=\"tile").count());
    tiles
}

/// Fails unless the tiles fill the map, none over another, each as large as its size.
#[track_caller]
fn is_a_map(document: &str, tiles: &[Tile]) {
    let side = |name: &str| {
        let side = Regex::new(&format!("data-{name}=\"([\\d.]+)\"")).unwrap();
        side.captures(document).unwrap()[1].parse::<f64>().unwrap()
    };
    // Chromium writes six digits.
    const NEAR: f64 = 0.02;
    let (width, height) = (side("width"), side("height"));
    assert!(width > 500.0 && height > 300.0);
    let total: f64 = tiles.iter().map(|tile| tile.size).sum();
    for (place, one) in tiles.iter().enumerate() {
        assert!(one.left >= 0.0 && one.top >= 0.0, "{one:?}");
        assert!(
            one.right <= width + NEAR && one.bottom <= height + NEAR,
            "{one:?}"
        );
        let (wide, high) = (one.right - one.left, one.bottom - one.top);
        let expected = width * height * one.size / total;
        let tolerance = NEAR * (wide + high) + NEAR * NEAR;
        assert!(
            (wide * high - expected).abs() <= tolerance,
            "{one:?}: {expected}"
        );
        for other in &tiles[..place] {
            let aside = one.right.min(other.right) - one.left.max(other.left);
            let below = one.bottom.min(other.bottom) - one.top.max(other.top);
            assert!(aside < NEAR || below < NEAR, "{one:?} over {other:?}");
        }
    }
}

#[test]
fn the_page_is_a_map_of_the_closure() {
    let Some(browser) = chromium() else { return };
    let place = built(&unique());
    let printed = place
        .cbox(&["size", "box", "--html", "out/size.html"])
        .run();
    assert!(printed.ok().stdout.contains("PACKAGE"));
    let page = place.path("out/size.html");
    let document = rendered(&place, browser, &page, "");
    let found = tiles(&document);
    is_a_map(&document, &found);
    assert_eq!(found.len(), 8);
    assert_eq!(found[0].name, "glibc 2.40-66");
    assert!(document.contains("aria-label=\"coder 2.24.1: 5.2 kB, "));
    assert!(document.contains("frees 7.3 kB; pulled in by system packages\""));

    // What goes with what: sqlite is in coder, glibc is not.
    let document = rendered(&place, browser, &page, "#tree");
    let found = tiles(&document);
    is_a_map(&document, &found);
    let names: Vec<&str> = found.iter().map(|tile| &*tile.name).collect();
    assert!(names.contains(&"coder-2.24.1") && names.contains(&"glibc-2.40-66"));
    assert!(!names.contains(&"sqlite-3.46"), "{names:?}");
    let coder = names
        .iter()
        .position(|name| *name == "coder-2.24.1")
        .unwrap();
    let document = rendered(&place, browser, &page, &format!("#tree/{}", coder + 1));
    let inside: Vec<String> = tiles(&document).into_iter().map(|tile| tile.name).collect();
    assert_eq!(inside, ["coder-2.24.1 itself", "sqlite-3.46"]);
    // No address leads astray.
    for address in ["#tree/99999", "#constructor", "#packages/x", "#/"] {
        assert!(tiles(&rendered(&place, browser, &page, address)).len() >= 5);
    }

    let picture = place.beside("page.png");
    let screenshot = format!("--screenshot={}", picture.display());
    browse(
        &place,
        browser,
        &[&screenshot, &format!("file://{}", page.display())],
    );
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
}

/// An answer of Nix with many paths, and names that no store has.
fn many(root: &str, paths: u64) -> String {
    let base = |number: u64| match number {
        0 => root.rsplit('/').next().unwrap().to_owned(),
        1 => format!("{number:032}-{NASTY}"),
        _ => format!("{number:032}-package{}-1.{number}", number / 2),
    };
    let infos = (0..paths).map(|number| {
        let below = [number * 3 + 1, number * 3 + 2, number * 3 + 3, number + 7];
        let below = below.into_iter().filter(|next| *next < paths);
        let info = serde_json::json!({
            "narSize": 96 + (number * number * 7919) % 50_000_000,
            "references": below.map(base).collect::<Vec<_>>(),
        });
        (base(number), info)
    });
    let infos: serde_json::Map<_, _> = infos.collect();
    serde_json::json!({ "version": 2, "storeDir": "/nix/store", "info": infos }).to_string()
}

#[test]
fn many_tiles_and_nasty_names_do_no_harm() {
    let Some(browser) = chromium() else { return };
    let place = built(&unique());
    let answer = place.beside("answer.json");
    fs::write(&answer, many(&place.link("hosts-box"), 1200)).unwrap();
    let real = find_program("nix").unwrap();
    place.stand_in(
        "nix",
        &format!(
            "case \" $* \" in *' --recursive '*) exec cat '{}' ;; esac\nexec {} \"$@\"",
            answer.display(),
            quoted(real)
        ),
    );
    let page = place.path("out/size.html");
    let printed = fs::File::create(&page).unwrap();
    place
        .cbox(&["size", "box", "--html", "-"])
        .stdout(printed)
        .run()
        .ok();
    let text = fs::read_to_string(&page).unwrap();
    assert!(!text.contains("<img") && text.contains("&lt;!--&lt;script&gt;&lt;img"));
    assert!(text.contains("default-src 'none'") && !text.contains("://"));
    let document = rendered(&place, browser, &page, "");
    assert!(
        !document.contains("<title>taken"),
        "a name became an element"
    );
    let found = tiles(&document);
    assert!(found.len() > 500, "{}", found.len());
    is_a_map(&document, &found);
    assert!(document.contains("data-name=\"&lt;!--&lt;script&gt;"));
}

#[test]
fn a_page_that_cannot_be_written_leaves_what_is_there() {
    let place = built(&unique());
    place.write("page/kept.txt", "");
    let run = place
        .cbox(&["size", "box", "--html", "page"])
        .run()
        .code(10);
    run.says(&["error: cannot write the page page: "]);
    let run = place
        .cbox(&["size", "box", "--html", "no/such/page.html"])
        .run();
    run.code(10)
        .says(&["error: cannot write the page no/such/page.html: there is no folder /"]);
    // What is no file is not replaced by one, be it `/dev/null`.
    place.call("mkfifo").args(["out/pipe"]).run().ok();
    let run = place
        .cbox(&["size", "box", "--html", "out/pipe"])
        .run()
        .code(10);
    run.says(&["it is not a file", "`--html -`"]);
    assert!(!place.path("out/pipe").is_file());
    assert_eq!(place.names("page"), ["kept.txt"]);
    let names = [place.names("."), place.names("out")].concat();
    let temporary = names.iter().filter(|name| name.starts_with(".cbox"));
    assert_eq!(temporary.count(), 0);

    // A second page takes the place of the first, readable as any file.
    place.ask(&["size", "box", "--html", "out/size.html"]);
    let first = place.read("out/size.html");
    place.write("flake.nix", system(&unique(), "coder-3.0", 10));
    place.ask(&["build", "hosts/box"]);
    place.ask(&["size", "box", "--html", "out/size.html"]);
    assert_ne!(place.read("out/size.html"), first);
    assert!(place.read("out/size.html").contains("coder 3.0"));
}
