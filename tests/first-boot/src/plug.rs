//! Runs a program and pulls the plug: SIGKILL to its process group before or after the n-th system
//! call that changes something outside of the process, such as a file's name or what a server was
//! asked.
//!
//! The calls are counted in a file, so that the programs that it starts can count theirs too.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::libc::{self, c_long};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

#[derive(Clone, Copy, Debug)]
pub enum When {
    Before,
    After,
}

/// The system calls that are steps.
const STEPS: &[c_long] = &[
    libc::SYS_fchmodat,
    libc::SYS_fsync,
    libc::SYS_fchownat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_sendto,
    libc::SYS_unlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
];

/// Sets the count to 0, runs the command, which writes to `log`, and gives how it ended.
///
/// # Panics
///
/// Where the command cannot be run, or processes here may not trace their children.
pub fn run(command: &Command, log: &Path, count: &Path, at: Option<(usize, When)>) -> WaitStatus {
    fs::write(count, "0\n").expect("write");
    let pid = start(command, log);
    // It comes out of execve.
    let (mut in_call, mut fatal) = (true, None);
    ptrace::syscall(pid, None).expect("go on");
    loop {
        match waitpid(pid, None).expect("it is our child") {
            WaitStatus::PtraceSyscall(_) => {
                in_call = !in_call;
                let call = call_of(pid);
                if in_call && STEPS.contains(&call) {
                    let step = next(count);
                    match at {
                        Some((at, When::Before)) if at == step => pull(pid),
                        // What was asked of a server is done when the answer is here.
                        Some((at, When::After)) if at == step && call == libc::SYS_sendto => {
                            fatal = Some(libc::SYS_recvfrom);
                        }
                        Some((at, When::After)) if at == step => fatal = Some(call),
                        _ => {}
                    }
                } else if !in_call && fatal == Some(call) {
                    pull(pid);
                }
                // One that was killed is beyond going on.
                let _ = ptrace::syscall(pid, None);
            }
            WaitStatus::Stopped(_, signal) => {
                let _ = ptrace::syscall(pid, signal);
            }
            WaitStatus::PtraceEvent(..) => {
                let _ = ptrace::syscall(pid, None);
            }
            status @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return status,
            status => panic!("{status:?}"),
        }
    }
}

/// The command as a traced child that is about to run its first instruction.
fn start(command: &Command, log: &Path) -> Pid {
    let log = File::create(log).expect("a log");
    let mut held = Command::new("/bin/sh");
    held.args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("another descriptor"))
        .stderr(log);
    #[expect(clippy::zombie_processes, reason = "`run` waits for it")]
    let child = std::os::unix::process::CommandExt::process_group(&mut held, 0)
        .spawn()
        .expect("sh starts");
    let pid = Pid::from_raw(child.id().cast_signed());
    waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("it stops itself");
    let options =
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL;
    ptrace::seize(pid, options).expect("a process may trace its child");
    nix::sys::signal::kill(pid, Signal::SIGCONT).expect("it is our child");
    loop {
        match waitpid(pid, None).expect("it is our child") {
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => return pid,
            WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None).expect("go on"),
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal).expect("go on"),
            status => panic!("the program does not start: {status:?}"),
        }
    }
}

fn pull(pid: Pid) {
    killpg(pid, Signal::SIGKILL).expect("its own group");
}

fn next(count: &Path) -> usize {
    let step = counted(count) + 1;
    fs::write(count, format!("{step}\n")).expect("write");
    step
}

/// How many steps there were.
pub fn counted(count: &Path) -> usize {
    let text = fs::read_to_string(count).expect("a start");
    text.trim().parse().expect("a number")
}

/// The number of the system call that a traced process is in.
fn call_of(pid: Pid) -> c_long {
    // One that was killed has no registers any more.
    let Ok(registers) = ptrace::getregs(pid) else {
        return -1;
    };
    #[cfg(target_arch = "x86_64")]
    return registers.orig_rax.cast_signed();
    #[cfg(target_arch = "aarch64")]
    return registers.regs[8].cast_signed();
}
