//! `cbox flash`: writes an image to a drive, one that was built for a target or a file.

use camino::Utf8Path;
use cbox_driver::{
    error::{Error, Kind},
    flake::session::{Hears, Session},
    flash::{
        Drive, Flashed, Place, PlaceKind,
        secrets::{FOLDER, Partition, Secrets},
    },
    image::{ImageFile, download, parts},
    links::image::{self, Built, BuiltFile},
    progress::Reporter,
    report::seconds,
    subject::words,
    target_name::TargetName,
    text::{columns, count, harmless, nearest::suggestion, size},
};
use cbox_nix::NixError;
use nix_formats::system::System;
use serde_json::{Value, json};

use crate::{
    commands::context::Context,
    options::{OutDirOption, complete},
    view::prompt,
};

const EXAMPLES: &str = "\
Examples:
  cbox flash appliance iso /dev/sdb --dry-run    show what is on it, and whether it may be erased
  sudo \"$(command -v cbox)\" flash appliance iso /dev/sdb
  cbox flash appliance/raw /dev/sdb --erase sdb  ask nothing
  cbox flash appliance/raw disk.img --file       to a file, like a drive of its size
  cbox flash nixos-sd-aarch64.img.zst /dev/sdb   a file that was downloaded
  cbox flash appliance/raw /dev/sdb --secret password.txt=account-password
  cbox flash appliance/raw mine.img --new-file --secret wifi.txt=wifi.nmconnection
";

/// Write an image to a drive, and verify what was written
///
/// The image is one that was built, or a file: an ISO or raw image that was downloaded, as it is
/// or compressed with zstd, gzip, xz or bzip2, which is unpacked while it is written. A checksum
/// beside a file (FILE.sha256 or SHA256SUMS) is compared first. Shows what is on the drive and asks for its name before anything is written. A drive
/// that is in use is refused. What was written is read back from the drive and compared.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "cbox flash [OPTIONS] <TARGET|FILE> <DEVICE>")]
pub(crate) struct FlashArgs {
    /// What to write, `<kind> <format> [system]` or with slashes, or an image file, and the drive
    /// to write it to: `/dev/sdb`
    #[arg(required = true, value_name = "TARGET|FILE> <DEVICE", add = complete::image_and_file())]
    words: Vec<String>,
    /// Which file of a target that has several
    #[arg(long, value_name = "NAME")]
    artifact: Option<String>,
    /// Erase the drive of this name without asking: `sdb`
    #[arg(long, value_name = "NAME")]
    erase: Option<String>,
    /// Show what would be erased, or why it cannot be, and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Write to an existing file, like a drive of its size
    #[arg(long)]
    file: bool,
    /// Write to a file that is made, a copy of the image as large as it is
    #[arg(long, conflicts_with_all = ["file", "erase"])]
    new_file: bool,
    /// Put the content of a file under this name into the folder `secrets` of the EFI system
    /// partition, for the machine to take at its first boot; may be repeated. It is in no log, no
    /// manifest and not in the store
    #[arg(long, value_name = "FILE=NAME")]
    secret: Vec<String>,
    #[command(flatten)]
    links: OutDirOption,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &FlashArgs) -> Result<(), Error> {
    let (environment, view) = (context.environment, context.view);
    let hears = (context.view as &dyn Reporter, context.interrupt);
    let (chosen, device) = choose(context, args, hears).await?;
    let source = &chosen.source;
    let wanted = match (args.new_file, args.file) {
        (true, _) => PlaceKind::NewFile,
        (_, true) => PlaceKind::File,
        _ => PlaceKind::Drive,
    };
    let place = Place::find(environment.absolute(device), device, wanted, source)?;
    let drive = &place.drive;
    if let Some(erase) = &args.erase
        && *erase != drive.name
    {
        let message = format!(
            "`--erase {erase}` is not the name of {}",
            place.display_path
        );
        return Err(Error::new(Kind::Usage, message).hint(format!("its name is {}", drive.name)));
    }
    let secrets = Secrets::read(environment, &args.secret)?;
    // Over the image, in memory: what would go wrong is told before anything is written.
    let partition = secrets.as_ref().map(|secrets| secrets.check(source));
    let partition = partition.transpose()?.flatten();
    if let Some(secrets) = &secrets {
        secrets.warnings.iter().for_each(|line| view.warn(line));
        if place.is_open_to_others() {
            let path = &place.display_path;
            view.warn(&format!(
                "others can read {path}, and the secrets in it: `chmod 600 {path}`"
            ));
        }
    }
    let given = secrets.as_ref().map(|secrets| Given {
        names: secrets.names().into_iter().map(str::to_owned).collect(),
        partition,
    });
    let lines = lines(source, &place, given.as_ref());
    // Opened in a dry run too: only then it is known what else would refuse it.
    let opened = match args.dry_run && place.is_new() {
        true => None,
        false => Some(place.open(secrets.is_some())),
    };
    if args.dry_run {
        for line in lines {
            view.plain(&line);
        }
        drop(opened.transpose()?);
        context.document("flash", "flash", || {
            result(&chosen, &place, given.as_ref(), None)
        });
        return Ok(());
    }
    let Some(device) = opened.transpose()? else {
        return Ok(());
    };
    confirm(context, args, &lines, &place).await?;
    let flashed = place.flash(device, source, secrets, hears).await?;
    if !place.reread(context.interrupt).await && !drive.partitions.is_empty() {
        view.warn(&format!(
            "the kernel still has the old partitions of {}: reconnect it before mounting it",
            drive.name
        ));
    }
    view.plain(&format!(
        "{} is on {}: {} written and compared",
        source.name,
        place.display_path,
        size(flashed.bytes)
    ));
    let given = given.map(|given| Given {
        partition: flashed.secrets.clone(),
        ..given
    });
    if let Some(given) = &given {
        view.plain(&format!("{}: written and compared", given.description()));
    }
    context.document("flash", "flash", || {
        result(&chosen, &place, given.as_ref(), Some(&flashed))
    });
    Ok(())
}

/// The secrets of this run, for people.
struct Given {
    names: Vec<String>,
    /// Where they go; nobody knows that of some compressed images before they are written.
    partition: Option<Partition>,
}

impl Given {
    /// `2 secrets on partition 1 (ESP)`
    fn description(&self) -> String {
        let secrets = count(self.names.len(), "secret");
        match &self.partition {
            Some(partition) => format!("{secrets} on {}", partition.description()),
            None => secrets,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "names": self.names,
            "folder": FOLDER,
            "partition": self.partition.as_ref().map(|partition| partition.number),
        })
    }
}

/// What is written.
struct Chosen {
    source: ImageFile,
    /// The target that it was built for, and its system; a file was built for none.
    target: Option<(TargetName, System)>,
}

/// Finds the image and the device that the words name.
async fn choose<'w>(
    context: &Context<'_>,
    args: &'w FlashArgs,
    hears: Hears<'_>,
) -> Result<(Chosen, &'w Utf8Path), Error> {
    let environment = context.environment;
    let project = context.project.as_ref().ok();
    if let Some(file) = download::named(environment, project, &args.words)? {
        let device = match args.words.as_slice() {
            [_, device] => Utf8Path::new(device.as_str()),
            [] | [_] => {
                return Err(no_drive(file.as_str(), with_drive(file.as_str())));
            }
            [_, _, other, ..] => {
                let message =
                    format!("{file} is written to one drive, so `{other}` is one word too many");
                return Err(Error::new(Kind::Usage, message).hint(with_drive(file.as_str())));
            }
        };
        if let Some(artifact) = &args.artifact {
            let message = format!("{file} is one file, so `--artifact {artifact}` chooses nothing");
            return Err(Error::new(Kind::Usage, message).hint("leave out `--artifact`"));
        }
        let found = download::find(environment, hears, file).await?;
        context.view.note(&found.verdict());
        check_format(None, None, &found.file)?;
        let chosen = Chosen {
            source: found.file,
            target: None,
        };
        return Ok((chosen, device));
    }
    let session = &context.open(args.links.out_dir.as_deref())?;
    let (name, device) = understand(session, &args.words)?;
    let store = session.options.store.as_deref();
    let built = image::find(environment, &session.project, &name, store)?;
    let source = artifact(context, args, &built, &name).await?;
    check_format(Some(session), Some(&name), &source)?;
    let chosen = Chosen {
        source,
        target: Some((name, built.system)),
    };
    Ok((chosen, device))
}

/// The file of the target that is written: the only one, the one that was named, or the one
/// that is chosen now.
async fn artifact(
    context: &Context<'_>,
    args: &FlashArgs,
    built: &Built,
    name: &TargetName,
) -> Result<ImageFile, Error> {
    let files = &built.files;
    let names: Vec<&str> = files.iter().map(BuiltFile::name).collect();
    let called = |word: &str| {
        let mut files = files.iter();
        let found = files.find(|file| file.name() == word || file.artifact.path == word);
        found.ok_or_else(|| {
            Error::new(Kind::Usage, format!("{name} has no file {word}"))
                .hint(suggestion(word, &names))
        })
    };
    let file = match (files.as_slice(), &args.artifact) {
        (_, Some(word)) => called(word)?,
        ([only], None) => only,
        _ if context.terminal.interactive && !args.dry_run => {
            let sizes = files
                .iter()
                .map(|file| [file.name().to_owned(), size(file.artifact.size)]);
            let rows = columns(&sizes.collect::<Vec<_>>());
            let rows: Vec<String> = rows
                .iter()
                .map(|row| format!("  {}", harmless(row, 1000)))
                .collect();
            context.view.ask(&format!(
                "{name} has {}:\n{}\nType the name of the one to write: ",
                count(files.len(), "file"),
                rows.join("\n"),
            ));
            let answer = prompt::read_line(context.interrupt)
                .await
                .map_err(|signal| {
                    context.view.ask("\n");
                    Error::from(NixError::Interrupted(signal))
                })?;
            called(answer.unwrap_or_default().trim())?
        }
        _ => {
            let message = format!(
                "{name} has {}: {}",
                count(files.len(), "file"),
                names.join(", ")
            );
            let first = names.first().copied().unwrap_or_default();
            return Err(Error::new(Kind::Usage, message)
                .hint(format!("name the one to write: `--artifact {first}`")));
        }
    };
    let called = match files.len() {
        1 => name.to_string(),
        _ => format!("{} of {name}", file.name()),
    };
    parts::image_file(file, &called)
}

/// How `image` is written to a drive.
fn with_drive(image: &str) -> String {
    format!("`cbox flash {image} <DEVICE>`; `lsblk` shows the drives")
}

fn no_drive(name: &str, hint: String) -> Error {
    let message = format!("there is no drive named to write {name} to");
    Error::new(Kind::Usage, message).hint(hint)
}

/// The image and the device that `words` name. An image wins: a device with the name of a
/// format is written `./raw`.
fn understand<'w>(
    session: &Session<'_>,
    words: &'w [String],
) -> Result<(TargetName, &'w Utf8Path), Error> {
    let named = words::image(&session.project, words);
    match (named, words) {
        (Ok(name @ TargetName::Image { .. }), _) => {
            let name = name.to_string();
            Err(no_drive(&name, with_drive(&name)))
        }
        (_, [image @ .., device]) if !image.is_empty() => Ok((
            words::image(&session.project, image)?,
            Utf8Path::new(device),
        )),
        (named, _) => Err(no_drive(
            &named?.to_string(),
            "`cbox flash <TARGET> <DEVICE>`".to_owned(),
        )),
    }
}

/// Checks that the bytes of the image are those of a drive.
fn check_format(
    session: Option<&Session<'_>>,
    name: Option<&TargetName>,
    source: &ImageFile,
) -> Result<(), Error> {
    let image = &source.image;
    if image.format == "raw" {
        return Ok(());
    }
    let convert = match image.packing {
        None => format!(
            "`qemu-img convert -O raw {} disk.raw` converts it",
            image.path
        ),
        Some(packing) => format!(
            "`{} -dc {} >image && qemu-img convert -O raw image disk.raw` converts it",
            packing.compression.name(),
            image.path
        ),
    };
    let targets = session.map_or_else(Vec::new, |session| session.project.config().targets);
    let raw = name.and_then(|name| match name {
        TargetName::Image { kind, system, .. } => {
            let mut targets = targets.iter().filter(|target| target.kind == *kind);
            let raw = targets.find(|target| target.format == "raw")?;
            Some(TargetName::Image {
                kind: raw.kind.clone(),
                format: raw.format.clone(),
                system: system.clone(),
            })
        }
        TargetName::Host { .. } => None,
    });
    let hint = match raw {
        Some(raw) => format!("build and flash {raw}; or {convert}"),
        None => convert,
    };
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "{} is a {} image for virtual machines, but a drive needs a raw one",
            source.name, image.format
        ),
    )
    .hint(hint))
}

/// Shows what is erased, and has it confirmed by the drive's name.
async fn confirm(
    context: &Context<'_>,
    args: &FlashArgs,
    lines: &[String],
    place: &Place,
) -> Result<(), Error> {
    let (view, drive) = (context.view, &place.drive);
    if args.erase.is_some() || place.is_new() {
        lines.iter().for_each(|line| view.note(line));
        return Ok(());
    }
    if !context.terminal.interactive {
        let message = format!(
            "everything on {} would be erased, but there is no terminal on which to confirm it",
            place.display_path
        );
        return Err(Error::new(Kind::Usage, message).hint(format!(
            "`--dry-run` shows what is on it, and `--erase {}` confirms it",
            drive.name
        )));
    }
    view.ask(&format!(
        "{}\nType {} to erase it: ",
        lines.join("\n"),
        drive.name
    ));
    let answer = prompt::read_line(context.interrupt).await;
    let answer = answer.map_err(|signal| {
        view.ask("\n");
        place.untouched(signal)
    })?;
    match answer {
        Some(answer) if answer.trim() == drive.name => return Ok(()),
        Some(_) => {}
        // Nothing has ended the line.
        None => view.ask("\n"),
    }
    Err(Error::new(
        Kind::Usage,
        format!(
            "the answer was not {}: nothing was written to {}",
            drive.name, place.display_path
        ),
    ))
}

/// What is erased, and what for.
fn lines(source: &ImageFile, place: &Place, given: Option<&Given>) -> Vec<String> {
    let drive: &Drive = &place.drive;
    let mut lines = vec![drive.title()];
    if place.is_new() {
        lines.push(format!(
            "This file will be made, a copy of {} ({}).",
            source.name,
            source.shown_size()
        ));
    } else {
        lines.extend(drive.rows());
        lines.push(format!(
            "All of this will be erased to write {} ({}).",
            source.name,
            source.shown_size()
        ));
    }
    lines.extend(given.map(|given| format!("{}: {}", given.description(), given.names.join(", "))));
    // What a label holds must not look like another line.
    lines.iter().map(|line| harmless(line, 1000)).collect()
}

fn result(
    chosen: &Chosen,
    place: &Place,
    given: Option<&Given>,
    flashed: Option<&Flashed>,
) -> Value {
    let Chosen { source, target } = chosen;
    let written = flashed.map(|flashed| flashed.bytes);
    let sha256 = flashed.map(|flashed| &flashed.sha256);
    let packing = source.image.packing.as_ref();
    json!({
        "target": target.as_ref().map(|(name, _)| name.to_string()),
        "system": target.as_ref().map(|(_, system)| system),
        "image": {
            "path": source.image.path,
            "size": source.bytes,
            "sha256": sha256.or(source.sha256.as_ref()),
        },
        "unpackedSize": written.or(source.unpacked_size().exact()),
        "compression": packing.map(|packing| packing.compression.name()),
        "device": place.path,
        "drive": place.drive.to_json(),
        "secrets": given.map(Given::to_json),
        "written": flashed.is_some(),
        "writeSeconds": flashed.map(|flashed| seconds(flashed.writing)),
        "compareSeconds": flashed.map(|flashed| seconds(flashed.comparing)),
    })
}
