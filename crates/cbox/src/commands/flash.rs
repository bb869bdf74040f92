//! `cbox flash`: writes the image that was built for a target to a drive.

use camino::Utf8Path;
use cbox_driver::{
    error::{Error, Kind},
    flake::session::Session,
    flash::{Drive, Lasted, Place},
    links::image::{self, Built},
    report::seconds,
    subject::words,
    target_name::TargetName,
    text::{harmless, size},
};
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
";

/// Write a built image to a drive, and verify what was written
///
/// Shows what is on the drive and asks for its name before anything is written. A drive
/// that is in use is refused. What was written is read back from the drive and compared.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "cbox flash [OPTIONS] <TARGET> <DEVICE>")]
pub(crate) struct FlashArgs {
    /// What to write, `<kind> <format> [system]` or with slashes, and the drive to write it
    /// to: `/dev/sdb`
    #[arg(required = true, value_name = "TARGET> <DEVICE", add = complete::image_and_file())]
    words: Vec<String>,
    /// Erase the drive of this name without asking: `sdb`
    #[arg(long, value_name = "NAME")]
    erase: Option<String>,
    /// Show what would be erased, or why it cannot be, and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Write to an existing file, like a drive of its size
    #[arg(long)]
    file: bool,
    #[command(flatten)]
    links: OutDirOption,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &FlashArgs) -> Result<(), Error> {
    let session = &context.open(args.links.out_dir.as_deref())?;
    let (environment, view) = (session.environment, context.view);
    let (name, device) = understand(session, &args.words)?;
    let store = session.options.store.as_deref();
    let built = image::find(environment, &session.project, &name, store)?;
    check_format(session, &name, &built)?;
    let place = Place::find(environment.absolute(device), device, args.file, &built)?;
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
    // Opened in a dry run too: only then it is known what else would refuse it.
    let opened = place.open();
    if args.dry_run {
        for line in lines(&built, &name, drive) {
            view.plain(&line);
        }
        drop(opened?);
        context.document("flash", "flash", || result(&name, &built, &place, None));
        return Ok(());
    }
    let device = opened?;
    confirm(context, session, args, &built, &name, &place).await?;
    let lasted = place.flash(device, &built, view, session.interrupt).await?;
    if !place.reread(session.interrupt).await && !drive.partitions.is_empty() {
        view.warn(&format!(
            "the kernel still has the old partitions of {}: reconnect it before mounting it",
            drive.name
        ));
    }
    view.plain(&format!(
        "{name} is on {}: {} written and compared",
        place.display_path,
        size(built.artifact.size)
    ));
    context.document("flash", "flash", || {
        result(&name, &built, &place, Some(lasted))
    });
    Ok(())
}

/// The image and the device that `words` name. An image wins: a device with the name of a
/// format is written `./raw`.
fn understand<'w>(
    session: &Session<'_>,
    words: &'w [String],
) -> Result<(TargetName, &'w Utf8Path), Error> {
    let named = words::target(&session.project, words);
    match (named, words) {
        (Ok(name @ TargetName::Image { .. }), _) => {
            let message = format!("there is no drive named to write {name} to");
            let hint = format!("`cbox flash {name} <DEVICE>`; `lsblk` shows the drives");
            Err(Error::new(Kind::Usage, message).hint(hint))
        }
        (_, [image @ .., device]) if !image.is_empty() => Ok((
            words::target(&session.project, image)?,
            Utf8Path::new(device),
        )),
        (named, _) => {
            let message = format!("there is no drive named to write {} to", named?);
            Err(Error::new(Kind::Usage, message).hint("`cbox flash <TARGET> <DEVICE>`"))
        }
    }
}

/// Checks that the bytes of the image are those of a drive.
fn check_format(session: &Session<'_>, name: &TargetName, built: &Built) -> Result<(), Error> {
    let image = &built.image;
    if image.format == "raw" {
        return Ok(());
    }
    let TargetName::Image { kind, system, .. } = name else {
        return Ok(());
    };
    let convert = format!(
        "`qemu-img convert -O raw {} disk.raw` converts it",
        image.path
    );
    let targets = session.project.config().targets;
    let mut targets = targets.iter().filter(|target| target.kind == *kind);
    let hint = match targets.find(|target| target.format == "raw") {
        Some(raw) => {
            let raw = TargetName::Image {
                kind: raw.kind.clone(),
                format: raw.format.clone(),
                system: system.clone(),
            };
            format!("build and flash {raw}; or {convert}")
        }
        None => convert,
    };
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "{name} is a {} image for virtual machines, but a drive needs a raw one",
            image.format
        ),
    )
    .hint(hint))
}

/// Shows what is erased, and has it confirmed by the drive's name.
async fn confirm(
    context: &Context<'_>,
    session: &Session<'_>,
    args: &FlashArgs,
    built: &Built,
    name: &TargetName,
    place: &Place,
) -> Result<(), Error> {
    let (view, drive) = (context.view, &place.drive);
    let lines = lines(built, name, drive);
    if args.erase.is_some() {
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
    let answer = prompt::read_line(session.interrupt).await;
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
fn lines(built: &Built, name: &TargetName, drive: &Drive) -> Vec<String> {
    let bytes = size(built.artifact.size);
    let mut lines = vec![drive.title()];
    lines.extend(drive.rows());
    lines.push(format!(
        "All of this will be erased to write {name} ({bytes})."
    ));
    // What a label holds must not look like another line.
    lines.iter().map(|line| harmless(line, 1000)).collect()
}

fn result(name: &TargetName, built: &Built, place: &Place, lasted: Option<Lasted>) -> Value {
    json!({
        "target": name.to_string(),
        "system": built.system,
        "image": {
            "path": built.image.path,
            "size": built.artifact.size,
            "sha256": built.artifact.sha256,
        },
        "device": place.path,
        "drive": place.drive.to_json(),
        "written": lasted.is_some(),
        "writeSeconds": lasted.map(|lasted| seconds(lasted.writing)),
        "compareSeconds": lasted.map(|lasted| seconds(lasted.comparing)),
    })
}
