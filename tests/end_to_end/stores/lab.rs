//! Machines for one test: this one, with a `/nix` and a loopback interface of its own, and a
//! builder beside it, with another `/nix` behind a real `sshd`.
//!
//! Both are namespaces, which need root. What root knows of ssh is the test's own, too: in there
//! `/etc/passwd` says that root lives in the test's folder.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    call::{Call, Running, find_program},
    nix::{real, say_left_out},
    place::Place,
    quoted, wait_until,
};

/// The user that is not root, in there.
pub(super) const USER: &str = "1234";

/// The builder's name, and its store.
pub(super) const BUILDER: &str = "ssh-ng://builder";

/// The folders of the releases of Nix that the tests run with: the one on the PATH, and those
/// that `CBOX_OTHER_NIX` names.
pub(super) fn releases() -> Vec<PathBuf> {
    let mut folders = vec![real().parent().unwrap().to_owned()];
    let others = std::env::var_os("CBOX_OTHER_NIX").unwrap_or_default();
    folders.extend(std::env::split_paths(&others).filter(|folder| !folder.as_os_str().is_empty()));
    folders
}

/// Runs `test` in a new pair of machines, once with each release of Nix.
pub(super) fn each(place: impl Fn() -> Place, test: impl Fn(Lab)) {
    for release in releases() {
        if let Some(lab) = Lab::new(place(), &release) {
            test(lab);
        }
    }
}

/// The same with a builder beside it, where there can be one.
pub(super) fn each_with_builder(place: impl Fn() -> Place, test: impl Fn(&Lab)) {
    each(place, |lab| {
        if let Some(lab) = lab.with_builder() {
            test(&lab);
        }
    });
}

/// A host called `big` that needs another derivation, given as an expression.
pub(super) fn big(dependency: &str) -> String {
    format!(
        "(part: derivation {{ name = \"big\"; system = part.system; builder = \"/bin/sh\"; args = [ \"-c\" \"echo ${{part}} >$out\" ]; }}) ({dependency})"
    )
}

/// The machine of a test.
pub(super) struct Lab {
    pub(super) place: Place,
    release: PathBuf,
    /// A process in it, as seen from outside.
    pid: String,
    _holder: Running,
}

impl Lab {
    /// Makes the machines. `None`, said so, where there cannot be any.
    fn new(place: Place, release: &Path) -> Option<Self> {
        if let Err(why) = possible(&place, release) {
            say_left_out(&why);
            return None;
        }
        prepare(&place);
        let words = [
            "--mount",
            "--pid",
            "--net",
            "--fork",
            "--kill-child",
            "sh",
            "-eu",
        ];
        let script = place.beside("lab.sh");
        fs::write(&script, MACHINE).unwrap();
        let holder = place
            .call("unshare")
            .args(words)
            .args([&script])
            .folder(place.folder())
            .env("LAB", place.folder())
            .start();
        let mut lab = Self {
            place,
            release: release.to_owned(),
            pid: String::new(),
            _holder: holder,
        };
        lab.await_file("pid");
        lab.pid = fs::read_to_string(lab.place.beside("pid"))
            .unwrap()
            .trim()
            .to_owned();
        Some(lab)
    }

    /// The same with a builder that can be reached. `None`, said so, without `sshd`.
    pub(super) fn with_builder(self) -> Option<Self> {
        self.with_builders(&["builder"])
    }

    /// The same with several builders, each with a store of its own: that of `NAME` is
    /// `nix-NAME`, and its configuration `conf-NAME`.
    pub(super) fn with_builders(self, names: &[&str]) -> Option<Self> {
        let Some(sshd) = sshd() else {
            say_left_out("no `sshd` here");
            return None;
        };
        let place = &self.place;
        for (key, file) in [("host key", "host"), ("user's key", "home/.ssh/id_ed25519")] {
            let words = ["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"];
            place
                .call("ssh-keygen")
                .args(words)
                .args([place.beside(file)])
                .run()
                .ok();
        }
        let read = |file: &str| fs::read_to_string(place.beside(file)).unwrap();
        place.write(place.beside("authorized"), read("home/.ssh/id_ed25519.pub"));
        let folder = place.folder();
        let folder = folder.display();
        let (mut known, mut ssh) = (String::new(), String::new());
        for (number, name) in (1..).zip(names) {
            prepare_store(place, &format!("nix-{name}"));
            place.write(place.beside(&format!("conf-{name}/nix.conf")), CONFIG);
            known.push_str(&format!("{name},127.0.0.{number} {}", read("host.pub")));
            ssh.push_str(&format!(
                "Host {name}\n HostName 127.0.0.{number}\n User root\n"
            ));
        }
        place.write(place.beside("known"), known);
        ssh.push_str(&format!(
            "Host *\n BatchMode yes\n UserKnownHostsFile {folder}/known\n IdentityFile {folder}/home/.ssh/id_ed25519\n"
        ));
        place.write(place.beside("home/.ssh/config"), ssh);
        for (number, name) in (1..).zip(names) {
            self.start_sshd(&sshd, name, number);
        }
        Some(self)
    }

    /// Starts the `sshd` of a builder, which it goes with.
    fn start_sshd(&self, sshd: &Path, name: &str, number: usize) {
        let place = &self.place;
        let folder = place.folder();
        let folder = folder.display();
        let path = self.path();
        let mut config = format!(
            "ListenAddress 127.0.0.{number}\nHostKey {folder}/host\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\nAuthorizedKeysFile {folder}/authorized\n\
             SetEnv PATH={path} NIX_CONF_DIR={folder}/conf-{name}\n"
        );
        // From OpenSSH 9.8 on it is several programs, which know where they would be installed.
        let parts = sshd
            .parent()
            .and_then(Path::parent)
            .unwrap()
            .join("lib/openssh");
        for (option, part) in [
            ("SshdSessionPath", "sshd-session"),
            ("SshdAuthPath", "sshd-auth"),
        ] {
            let part = parts.join(part);
            if part.exists() && !part.starts_with("/usr/lib") {
                config.push_str(&format!("{option} {}\n", part.display()));
            }
        }
        let file = format!("sshd_config-{name}");
        place.write(place.beside(&file), config);
        let start = format!(
            "mount --bind {0}/nix-{name} /nix; exec {1} -D -E {0}/sshd-{name}.log -f {0}/{file}",
            quoted(place.folder()),
            quoted(sshd)
        );
        let start = format!(
            "unshare --mount sh -euc {} >/dev/null 2>&1 &",
            quoted(start)
        );
        self.call("sh").args(["-c", &start]).run().ok();
        wait_until("sshd listens", || {
            let asked = self.call("ssh").args([name, "true"]).run();
            asked.status.success()
        });
    }

    /// Waits until there is a file beside the working tree.
    pub(super) fn await_file(&self, name: &str) {
        let file = self.place.beside(name);
        wait_until(name, || {
            fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'))
        });
    }

    fn path(&self) -> String {
        format!(
            "{}:{}",
            self.release.display(),
            std::env::var("PATH").unwrap_or_default()
        )
    }

    /// A call on this machine, by root.
    pub(super) fn call(&self, program: &str) -> Call {
        self.call_by(&[], program)
    }

    /// A call on this machine, by a user who is not root and has what the place has.
    pub(super) fn call_by_user(&self, program: &str) -> Call {
        let user = [
            "setpriv",
            "--reuid",
            USER,
            "--regid",
            USER,
            "--clear-groups",
        ];
        self.call_by(&user, program)
    }

    fn call_by(&self, before: &[&str], program: &str) -> Call {
        let place = &self.place;
        let enter = ["--target", &self.pid, "--mount", "--pid", "--net"];
        // Another namespace begins at its own top.
        let go = ["sh", "-c", "cd \"$0\" && exec \"$@\""];
        place
            .call("nsenter")
            .args(enter)
            .args(go)
            .args([place.path("")])
            .args(before)
            .args([program])
            .env(
                "PATH",
                format!("{}:{}", place.beside("bin").display(), self.path()),
            )
            .env("NIX_CONF_DIR", place.beside("conf"))
            .env("NIX_USER_CONF_FILES", "/dev/null")
            .env("NIX_REMOTE", "")
    }

    /// A call of cbox on this machine.
    pub(super) fn cbox(&self, args: &[&str]) -> Call {
        self.call(env!("CARGO_BIN_EXE_cbox")).args(args)
    }

    /// A call of Nix on this machine.
    pub(super) fn nix(&self, args: &[&str]) -> Call {
        self.call("nix").args(args)
    }

    /// A file of this machine's store, or of the builder's.
    pub(super) fn holds(&self, folder: &str, store_path: &str) -> bool {
        let inside = store_path.strip_prefix("/nix/").unwrap();
        fs::symlink_metadata(self.place.beside(folder).join(inside)).is_ok()
    }

    /// Ends the connections to the builder, and all that it builds.
    pub(super) fn lose_builder(&self) {
        let script = "for place in /proc/[0-9]*; do\n\
                      case $(tr '\\0' ' ' <$place/cmdline 2>/dev/null) in\n\
                      sshd*' -D '*) ;; sshd*) kill -9 ${place#/proc/} ;; esac\ndone";
        self.call("sh").args(["-c", script]).run();
    }

    /// Ends all programs of the machine that have this word in their command line.
    pub(super) fn end_all(&self, word: &str) {
        let script = "for place in /proc/[0-9]*; do\n\
                      case $(tr '\\0' ' ' <$place/cmdline 2>/dev/null) in\n\
                      *\"$0\"*) [ ${place#/proc/} = $$ ] || kill -9 ${place#/proc/} ;; esac\ndone";
        self.call("sh").args(["-c", script, word]).run();
    }

    /// Adds lines to the configuration of Nix on this machine.
    pub(super) fn configure(&self, lines: &str) {
        self.configure_in("conf", lines);
    }

    /// The same, on the machine whose configuration is in that folder.
    pub(super) fn configure_in(&self, folder: &str, lines: &str) {
        let file = self.place.beside(folder).join("nix.conf");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{text}{lines}\n")).unwrap();
    }

    /// Gives all of the place to the user who is not root, whose home is there.
    pub(super) fn give_to_user(&self) {
        let place = &self.place;
        let owner = format!("{USER}:{USER}");
        for folder in ["repo", "tmp", "cache", "home"] {
            place
                .call("chown")
                .args(["-R", &owner])
                .args([place.beside(folder)])
                .run()
                .ok();
        }
        fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The first process of the machine: the others end with it. (`unshare` waits for it, and
        // hears no signals until then.)
        if let Some(pid) = self.pid.parse().ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::KILL).unwrap();
        }
        // Nix takes the right to write from what is in a store, and so to remove it.
        let stores = self.place.names("..").into_iter();
        let stores = stores.filter(|name| name.starts_with("nix") || name == "roots");
        for folder in stores {
            let folder = self.place.beside(&folder);
            if folder.is_dir() {
                self.place
                    .call("chmod")
                    .args(["-R", "u+w"])
                    .args([folder])
                    .run();
            }
        }
    }
}

/// Why there can be no machine with that release.
fn possible(place: &Place, release: &Path) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("namespaces with a /nix of their own need root".to_owned());
    }
    for program in ["unshare", "nsenter", "mount", "ip", "setpriv"] {
        if find_program(program).is_none() {
            return Err(format!("no `{program}` here"));
        }
    }
    let nix = release.join("nix");
    let nix = nix
        .canonicalize()
        .map_err(|error| format!("{}: {error}", nix.display()))?;
    if nix.starts_with("/nix") {
        return Err("Nix itself is in /nix, in whose place these tests put another".to_owned());
    }
    let words = [
        "--mount", "--pid", "--net", "--fork", "mount", "-t", "tmpfs", "none", "/mnt",
    ];
    let ended = place.call("unshare").args(words).run();
    match ended.status.success() {
        true => Ok(()),
        false => Err("this machine lets nobody mount in a namespace".to_owned()),
    }
}

/// The server of ssh: mostly where a user's PATH does not lead.
fn sshd() -> Option<PathBuf> {
    let on_path = find_program("sshd").and_then(|sshd| sshd.canonicalize().ok());
    let usual = PathBuf::from("/usr/sbin/sshd");
    on_path.or_else(|| usual.exists().then_some(usual))
}

/// Writes what the machines need.
fn prepare(place: &Place) {
    prepare_store(place, "nix");
    fs::create_dir(place.beside("home/.ssh")).unwrap();
    let home = place.beside("home");
    let home = home.display();
    let etc = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let others = |file: &str, names: &[&str]| -> String {
        let text = etc(file);
        let kept = text
            .lines()
            .filter(|line| !names.iter().any(|name| line.starts_with(name)));
        kept.map(|line| format!("{line}\n")).collect()
    };
    let users = others("/etc/passwd", &["root:", "sshd:", "nixbld", "me:"]);
    let groups = others("/etc/group", &["nixbld:", "me:"]);
    place.write(
        place.beside("passwd"),
        format!(
            "root:x:0:0:root:{home}:/bin/sh\nsshd:x:30074:65534::/run/sshd:/bin/false\n\
             me:x:{USER}:{USER}::{home}:/bin/sh\nnixbld1:x:30001:30000::/var/empty:/bin/false\n\
             nixbld2:x:30002:30000::/var/empty:/bin/false\n{users}"
        ),
    );
    place.write(
        place.beside("group"),
        format!("nixbld:x:30000:nixbld1,nixbld2\nme:x:{USER}:\n{groups}"),
    );
    place.write(place.beside("conf/nix.conf"), CONFIG);
}

/// The configuration of Nix on each machine.
const CONFIG: &str = "experimental-features = nix-command flakes\nsandbox = false\nbuild-users-group =\n\
                      substituters =\nsandbox-paths = /bin /lib /lib64 /usr\n";

/// Makes the folders of a store that is in this one of the place.
fn prepare_store(place: &Place, folder: &str) {
    for inside in ["store", "var/nix"] {
        fs::create_dir_all(place.beside(folder).join(inside)).unwrap();
    }
}

/// What makes the machine, in its namespaces: `LAB` is the folder of the place.
const MACHINE: &str = r#"
mount --make-rprivate /
# The number outside, while the process table of outside is there.
read -r pid _ </proc/self/stat
mount -t proc proc /proc
ip link set lo up
# With loopback alone Nix thinks that it has no network, and asks no binary cache.
ip addr add 192.0.2.1/32 dev lo
mount --bind "$LAB/passwd" /etc/passwd
mount --bind "$LAB/group" /etc/group
# Nothing of what the machine outside runs, and nothing that it would see.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
# What is below may be a link where the machine's own /lib64 or /usr is.
mount --bind "$LAB/nix" /nix
echo "$pid" >"$LAB/pid"
exec sleep 100000
"#;
