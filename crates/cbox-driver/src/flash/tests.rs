//! What drives are told to be and whether they may be erased, with the kernel's files made up.

use std::{fs, os::unix::fs::symlink, path::Path};

use super::{
    drive::Drive,
    kernel::{BlockDevice, Kernel},
};
use crate::{
    error::{Error, Kind},
    flash::block_devices::Number,
};

const GB: u64 = 1_000_000_000;

/// A root with `/sys`, `/proc`, `/run` and `/dev` of our own.
struct Fake {
    root: tempfile::TempDir,
    mounts: String,
    swaps: String,
}

impl Fake {
    /// A machine with its system on `sda2`, and two sticks: `sdb`, and one without partitions.
    fn machine() -> Self {
        let fake = Self {
            root: tempfile::tempdir().unwrap(),
            mounts: String::new(),
            swaps: "Filename Type Size Used Priority\n".to_owned(),
        };
        let ata = "pci0000:00/0000:00:17.0/ata1/host0/block";
        let usb = "pci0000:00/0000:00:14.0/usb2/2-1/host6/block";
        fake.device(&format!("{ata}/sda"), (8, 0), 500 * GB);
        fake.device(&format!("{ata}/sda/sda1"), (8, 1), GB);
        fake.device(&format!("{ata}/sda/sda2"), (8, 2), 499 * GB);
        fake.device(&format!("{usb}/sdb"), (8, 16), 32 * GB);
        fake.device(&format!("{usb}/sdb/sdb10"), (8, 26), GB);
        fake.device(&format!("{usb}/sdb/sdb2"), (8, 18), 31 * GB);
        fake.device(&format!("{usb}/sdc"), (8, 32), 0);
        fake.device("virtual/block/dm-0", (253, 0), 31 * GB);
        fake.device("virtual/block/dm-1", (253, 1), 30 * GB);
        fake.device("virtual/block/loop0", (7, 0), GB);
        fake.device("virtual/block/zram0", (251, 0), GB);
        fake.say("sys/class/block/sdb/device/vendor", "SanDisk \n");
        fake.say(
            "sys/class/block/sdb/device/model",
            "Ultra \u{1b}[31m\u{202e}Fit  \n",
        );
        fake.say(
            "run/udev/data/b8:18",
            "E:ID_FS_TYPE=vfat\nE:ID_FS_LABEL_ENC=MY\\x20STICK\n",
        );
        fake.mount((8, 2), "/", "/dev/sda2")
            .mount((8, 1), "/boot/efi", "/dev/sda1")
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    fn say(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn link(&self, path: &str, to: &Path) {
        let link = self.path(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(to, link).unwrap();
    }

    /// A device below `/sys/devices`; one below another one is its partition.
    fn device(&self, place: &str, (major, minor): Number, size: u64) {
        let (above, name) = place.rsplit_once('/').unwrap();
        let folder = self.path(&format!("sys/devices/{place}"));
        fs::create_dir_all(folder.join("holders")).unwrap();
        fs::create_dir_all(folder.join("slaves")).unwrap();
        fs::write(folder.join("dev"), format!("{major}:{minor}\n")).unwrap();
        fs::write(folder.join("size"), format!("{}\n", size / 512)).unwrap();
        fs::write(folder.join("ro"), "0\n").unwrap();
        match above.ends_with("block") {
            true => self.link(&format!("sys/block/{name}"), &folder),
            false => fs::write(folder.join("partition"), "1\n").unwrap(),
        }
        self.link(&format!("sys/class/block/{name}"), &folder);
        self.link(&format!("sys/dev/block/{major}:{minor}"), &folder);
        self.say(&format!("dev/{name}"), "");
    }

    fn mount(mut self, (major, minor): Number, point: &str, source: &str) -> Self {
        self.mounts.push_str(&format!(
            "30 1 {major}:{minor} / {point} rw,relatime shared:1 - ext4 {source} rw\n"
        ));
        self
    }

    fn swap(mut self, path: &str) -> Self {
        self.swaps.push_str(&format!("{path} partition 8 0 -2\n"));
        self
    }

    /// `holder` is made of `part`, and the device mapper calls it so.
    fn held(self, part: &str, holder: &str, mapper: Option<(&str, &str)>) -> Self {
        self.say(&format!("sys/class/block/{part}/holders/{holder}"), "");
        if let Some((name, uuid)) = mapper {
            self.say(&format!("sys/class/block/{holder}/dm/name"), name);
            self.say(&format!("sys/class/block/{holder}/dm/uuid"), uuid);
            self.link(
                &format!("dev/mapper/{name}"),
                &self.path(&format!("dev/{holder}")),
            );
        }
        self
    }

    /// The same, as a container may see it: only the holder says of what it is made.
    fn made_of(self, part: &str, holder: &str) -> Self {
        self.say(&format!("sys/class/block/{holder}/slaves/{part}"), "");
        self
    }

    fn kernel(&self) -> Kernel {
        self.say("proc/self/mountinfo", &self.mounts);
        self.say("proc/swaps", &self.swaps);
        Kernel::read(self.root.path())
    }

    fn drive(&self, number: Number) -> Drive {
        match self.kernel().device(number) {
            Some(BlockDevice::Whole(drive)) => *drive,
            other => panic!("{other:?}"),
        }
    }

    /// What is said against `sdb`, for an image of 2 GB.
    fn against_sdb(&self) -> Result<(), Error> {
        self.drive((8, 16)).check("/dev/sdb".into(), 2 * GB)
    }

    #[track_caller]
    fn refuses_sdb(&self, message: &str, hint: &str) {
        let error = self.against_sdb().unwrap_err();
        assert_eq!(error.kind, Kind::Environment);
        let told = (error.message.as_str(), error.hint.unwrap_or_default());
        assert_eq!(told, (message, hint.to_owned()));
    }
}

#[test]
fn a_drive_says_what_it_is_and_what_is_on_it() {
    let fake = Fake::machine().mount((8, 18), "/media/a\\040b", "/dev/sdb2");
    let drive = fake.drive((8, 16));
    assert_eq!(drive.title(), "sdb: SanDisk Ultra [31mFit, 32.0 GB, usb");
    assert_eq!(
        drive.rows(),
        [
            "  sdb2   31.0 GB  vfat  MY STICK  mounted at /media/a b",
            "  sdb10  1.0 GB"
        ]
    );
    assert_eq!(fake.drive((8, 0)).title(), "sda: 500.0 GB, sata");
    let empty = fake.drive((7, 0));
    assert_eq!(empty.title(), "loop0: 1.0 GB, loop");
    assert_eq!(empty.rows(), ["  no partitions"]);
    assert_eq!(fake.kernel().device((9, 9)), None);
    let partition = fake.kernel().device((8, 26));
    assert_eq!(partition, Some(BlockDevice::Partition("sdb".to_owned())));
}

#[test]
fn a_drive_that_nobody_uses_may_be_erased() {
    assert_eq!(Fake::machine().against_sdb(), Ok(()));
}

#[test]
fn the_drive_of_the_system_is_never_erased() {
    let system = "/dev/sdb is the drive of the running system";
    let elsewhere = "name another drive; `lsblk` shows them";
    let error = Fake::machine().drive((8, 0)).check("/dev/sda".into(), 1);
    let message = error.unwrap_err().message;
    assert_eq!(
        message,
        "/dev/sda is the drive of the running system: /boot/efi is on sda1"
    );
    for point in ["/nix/store", "/boot", "/usr"] {
        let fake = Fake::machine().mount((8, 18), point, "/dev/sdb2");
        fake.refuses_sdb(&format!("{system}: {point} is on sdb2"), elsewhere);
    }
    // Through an encrypted volume with logical ones in it, by a filesystem of its own number.
    let fake = Fake::machine()
        .held("sdb2", "dm-0", Some(("luks-1", "CRYPT-LUKS2-x")))
        .held("dm-0", "dm-1", Some(("vg-root", "LVM-y")))
        .mount((0, 45), "/nix", "/dev/mapper/vg-root");
    fake.refuses_sdb(&format!("{system}: /nix is on sdb2"), elsewhere);
    // A live system runs off a file on its stick.
    let fake = Fake::machine().mount((8, 18), "/iso", "/dev/sdb2").mount(
        (7, 0),
        "/nix/store",
        "/dev/loop0",
    );
    fake.say(
        "sys/class/block/loop0/loop/backing_file",
        "/iso/store.squashfs\n",
    );
    fake.refuses_sdb(&format!("{system}: /nix/store is on sdb2"), elsewhere);
}

#[test]
fn what_is_mounted_says_where_and_how_it_is_unmounted() {
    let fake = Fake::machine()
        .mount((8, 18), "/media/a\\040b", "/dev/sdb2")
        .mount((8, 26), "/mnt", "/dev/sdb10");
    fake.refuses_sdb(
        "/dev/sdb is in use: it is mounted at /media/a b and /mnt",
        "unmount it: `sudo umount '/media/a b' /mnt`",
    );
    let whole = Fake::machine().mount((8, 16), "/mnt", "/dev/sdb");
    whole.refuses_sdb(
        "/dev/sdb is in use: it is mounted at /mnt",
        "unmount it: `sudo umount /mnt`",
    );
}

#[test]
fn swap_and_what_is_part_of_something_is_refused() {
    Fake::machine().swap("/dev/sdb2").refuses_sdb(
        "/dev/sdb is in use: sdb2 is swap space",
        "release it: `sudo swapoff /dev/sdb2`",
    );
    let out = "release it: unmount what is on it, then";
    for (holder, mapper, what, command) in [
        (
            "dm-0",
            Some(("luks-1", "CRYPT-LUKS2-x")),
            "the encrypted volume luks-1",
            "cryptsetup close luks-1",
        ),
        (
            "dm-0",
            Some(("vg-data", "LVM-y")),
            "the logical volume vg-data",
            "lvchange --activate n /dev/mapper/vg-data",
        ),
        (
            "dm-0",
            Some(("x", "mpath-y")),
            "the mapped volume x",
            "dmsetup remove x",
        ),
        ("md127", None, "the RAID md127", "mdadm --stop /dev/md127"),
    ] {
        let fake = Fake::machine();
        if holder.starts_with("md") {
            fake.device("virtual/block/md127", (9, 127), GB);
        }
        fake.held("sdb2", holder, mapper).refuses_sdb(
            &format!("/dev/sdb is in use: sdb2 belongs to {what}"),
            &format!("{out} `sudo {command}`"),
        );
    }
    let fake = Fake::machine().held("sdb", "dm-0", Some(("x", "")));
    let row = fake.drive((8, 16)).rows().remove(0);
    assert!(
        row.starts_with("  sdb ") && row.ends_with(" part of x"),
        "{row}"
    );
}

#[test]
fn a_drive_that_cannot_take_it_is_refused() {
    let fake = Fake::machine();
    fake.say("sys/class/block/sdb/ro", "1\n");
    let error = fake.against_sdb().unwrap_err();
    assert_eq!(error.message, "/dev/sdb is read-only");
    let drive = Fake::machine().drive((8, 16));
    let error = drive.check("/dev/sdb".into(), 32 * GB + 1).unwrap_err();
    assert_eq!(
        error.message,
        "/dev/sdb is too small: it has 32.0 GB (32000000000 bytes), but the image has 32.0 GB \
         (32000000001 bytes)"
    );
    assert_eq!(drive.check("/dev/sdb".into(), 32 * GB), Ok(()));
    let error = Fake::machine().drive((8, 32)).check("/dev/sdc".into(), 1);
    assert_eq!(error.unwrap_err().message, "there is no medium in /dev/sdc");
}

#[test]
fn what_is_made_of_a_drive_is_seen_from_either_side() {
    let volume = |part: &str| {
        let fake = Fake::machine().made_of(part, "dm-0");
        fake.say("sys/class/block/dm-0/dm/name", "luks-1");
        fake.say("sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-x");
        fake
    };
    for part in ["sdb", "sdb2"] {
        volume(part).refuses_sdb(
            &format!("/dev/sdb is in use: {part} belongs to the encrypted volume luks-1"),
            "release it: unmount what is on it, then `sudo cryptsetup close luks-1`",
        );
    }
    // What is mounted on a volume of a volume is the system all the same.
    let fake = volume("sdb2").made_of("dm-0", "dm-1");
    let fake = fake.mount((253, 1), "/nix", "/dev/mapper/vg-root");
    fake.refuses_sdb(
        "/dev/sdb is the drive of the running system: /nix is on sdb2",
        "name another drive; `lsblk` shows them",
    );
    // Both sides say the same, and it is told once.
    let both = volume("sdb2").held("sdb2", "dm-0", None);
    let rows = both.drive((8, 16)).rows().join("\n");
    assert_eq!(rows.matches("luks-1").count(), 1, "{rows}");
    let raid = Fake::machine();
    raid.device("virtual/block/md127", (9, 127), GB);
    raid.made_of("sdb2", "md127").refuses_sdb(
        "/dev/sdb is in use: sdb2 belongs to the RAID md127",
        "release it: unmount what is on it, then `sudo mdadm --stop /dev/md127`",
    );
}

#[test]
fn a_loop_device_of_a_drive_is_seen() {
    for part in ["sdb", "sdb2"] {
        let fake = Fake::machine();
        let file = format!("/dev/{part}\n");
        fake.say("sys/class/block/loop0/loop/backing_file", &file);
        fake.refuses_sdb(
            &format!("/dev/sdb is in use: {part} belongs to the loop device loop0"),
            "release it: unmount what is on it, then `sudo losetup --detach /dev/loop0`",
        );
    }
    let fake = Fake::machine().mount((7, 0), "/var/lib", "/dev/loop0");
    fake.say("sys/class/block/loop0/loop/backing_file", "/dev/sdb2\n");
    fake.refuses_sdb(
        "/dev/sdb is the drive of the running system: /var/lib is on sdb2",
        "name another drive; `lsblk` shows them",
    );
}

#[test]
fn what_udev_does_not_say_is_read_from_the_drive() {
    let fake = Fake::machine();
    fake.say("sys/class/block/sdb/sdb10/start", "2048\n");
    fake.say("sys/class/block/sdb/sdb2/start", "4096\n");
    let contents = fake.path("contents");
    let mut bytes = vec![0; 4 << 20];
    bytes[2048 * 512 + 3..][..8].copy_from_slice(b"NTFS    ");
    bytes[4096 * 512 + 3..][..8].copy_from_slice(b"EXFAT   ");
    fs::write(&contents, &bytes).unwrap();
    let examined = |number: Number| {
        let mut drive = fake.drive(number);
        drive.examine(fs::File::open(&contents));
        drive
    };
    // Of `sdb2` udev says something, and that counts.
    assert_eq!(
        examined((8, 16)).rows(),
        ["  sdb2   31.0 GB  vfat  MY STICK", "  sdb10  1.0 GB   NTFS"]
    );
    // A drive without partitions can hold a filesystem, and it is named.
    assert_eq!(examined((7, 0)).rows(), ["  no partitions"]);
    bytes[3..][..8].copy_from_slice(b"EXFAT   ");
    fs::write(&contents, &bytes).unwrap();
    let drive = examined((7, 0));
    assert_eq!(
        drive.rows(),
        ["  loop0  1.0 GB  exFAT    on the whole drive"]
    );
    assert_eq!(drive.to_json()["filesystem"], "exFAT");
    let mut drive = fake.drive((7, 0));
    drive.examine(Err(std::io::ErrorKind::PermissionDenied.into()));
    let rows = ["  no partitions", "  what is on it could not be read"];
    assert_eq!(drive.rows(), rows);
}
