//! What is booted: a target or a file, and what that is to the machine.

use camino::{Utf8Path, Utf8PathBuf};
use cbox_driver::{
    boot::{Attached, qemu::Boots},
    error::{Error, Kind},
    image::{
        download,
        parts::{self, Parts},
        unpack::{self, UnpackedImage},
    },
    links::image,
    progress::Reporter,
    subject::words,
};
use nix_formats::system::{NotASystem, System};

use super::BootArgs;
use crate::commands::context::Context;

/// What is booted.
pub(super) struct Subject {
    /// What people call it.
    pub(super) name: String,
    /// Where it is, for people.
    pub(super) display_path: Utf8PathBuf,
    /// Whether it is what was built for a target.
    pub(super) is_target: bool,
    pub(super) system: System,
    pub(super) parts: Parts,
}

impl Subject {
    /// Finds what the words name: a target, or a file.
    pub(super) async fn find(context: &Context<'_>, args: &BootArgs) -> Result<Self, Error> {
        let (environment, view) = (context.environment, context.view);
        let project = context.project.as_ref().ok();
        if let Some(file) = download::named(environment, project, &args.target)? {
            let system = system_of(file, &args.target[1..])?;
            let hears = (view as &dyn Reporter, context.interrupt);
            let found = download::find(environment, hears, file).await?;
            view.note(&found.verdict());
            let (system, is_assumed) = match system {
                Some(system) => (system, false),
                None => (native()?, true),
            };
            if is_assumed {
                view.note(&format!(
                    "{file} is taken for an image for {system}, as its name does not say; `cbox boot {file} SYSTEM` does"
                ));
            }
            return Ok(Self {
                name: file.to_string(),
                display_path: file.to_owned(),
                is_target: false,
                system,
                parts: Parts::Drives(vec![found.file]),
            });
        }
        let session = &context.open(args.links.out_dir.as_deref())?;
        let name = words::image(&session.project, &args.target)?;
        let store = session.options.store.as_deref();
        let built = image::find(environment, &session.project, &name, store)?;
        let name = name.to_string();
        Ok(Self {
            parts: parts::of(&built, &name)?,
            name,
            display_path: environment.display_path(&built.link),
            is_target: true,
            system: built.system,
        })
    }

    /// What the machine boots, unpacked where it is compressed.
    pub(super) async fn boots(
        &self,
        context: &Context<'_>,
    ) -> Result<(Boots, Vec<UnpackedImage>), Error> {
        let drives = match &self.parts {
            Parts::Kernel(direct) => return Ok((Boots::Kernel(direct.clone()), vec![])),
            Parts::Drives(drives) => drives,
        };
        let hears = (context.view as &dyn Reporter, context.interrupt);
        let (mut images, mut kept) = (Vec::new(), Vec::new());
        for drive in drives {
            let unpacked = unpack::unpack(hears, &context.environment.temporary, drive).await?;
            let image = unpacked
                .as_ref()
                .map_or(&drive.image, |unpacked| &unpacked.image);
            images.push(image.clone());
            kept.extend(unpacked);
        }
        Ok((Boots::Images(images), kept))
    }

    /// What the image is to the machine.
    pub(super) fn attached(&self, args: &BootArgs) -> Result<Attached, Error> {
        let wrong = |message: String, hint: &str| Err(Error::new(Kind::Usage, message).hint(hint));
        let name = &self.name;
        let drives = match &self.parts {
            Parts::Drives(drives) => drives,
            Parts::Kernel(_) if args.attached.is_some() || args.keep.is_some() => {
                return wrong(
                    format!(
                        "{name} is a kernel with its initial RAM disk, so there is no image to attach or to write to"
                    ),
                    "leave out `--as` and `--keep`",
                );
            }
            Parts::Kernel(_) => return Ok(Attached::Disk),
        };
        let is_iso = drives.first().is_some_and(|drive| drive.image.is_iso);
        let usual = if is_iso { Attached::Cd } else { Attached::Disk };
        let attached = args.attached.map_or(usual, Into::into);
        if attached == Attached::Cd && !is_iso {
            return wrong(
                "only an ISO 9660 image can be a CD, but this is a disk image".to_owned(),
                "use `--as disk` or `--as usb`",
            );
        }
        if args.keep.is_none() {
            return Ok(attached);
        }
        if attached == Attached::Cd {
            return wrong(
                "nothing is ever written to a CD, so `--keep` has nothing to keep".to_owned(),
                "`--as usb` or `--as disk` lets the machine write to it",
            );
        }
        match drives.as_slice() {
            [drive] => match drive.image.packing {
                None => Ok(attached),
                Some(packing) => wrong(
                    format!(
                        "{name} is compressed, and what it is unpacked to goes with the boot, so `--keep` has nothing to stand on"
                    ),
                    &format!(
                        "unpack it first: `{} -dk {}`",
                        packing.compression.name(),
                        drive.image.path
                    ),
                ),
            },
            several => wrong(
                format!(
                    "{name} has {} disks, and `--keep` keeps what is written to one",
                    several.len()
                ),
                "leave out `--keep`: what the machine writes is thrown away",
            ),
        }
    }
}

/// The system that is named behind a file, or that its name tells of.
fn system_of(file: &Utf8Path, words: &[String]) -> Result<Option<System>, Error> {
    match words {
        [] => Ok(download::system_of_name(
            file.file_name().unwrap_or_default(),
        )),
        [word] => word.parse().map(Some).map_err(|error: NotASystem| {
            Error::new(Kind::Usage, error.to_string()).hint(format!(
                "behind {file} there can be its system: `cbox boot {file} aarch64`"
            ))
        }),
        [_, other, ..] => Err(Error::new(
            Kind::Usage,
            format!("one file is booted, so `{other}` is one word too many"),
        )
        .hint(format!("`cbox boot {file} [system]`"))),
    }
}

/// The system of this machine.
fn native() -> Result<System, Error> {
    let native = format!("{}-linux", std::env::consts::ARCH);
    native
        .parse()
        .map_err(|error: NotASystem| Error::new(Kind::Unsupported, error.to_string()))
}
