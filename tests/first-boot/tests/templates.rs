//! Template deployment: once each, again when the content changes, later when
//! there is no network, and never over what the owner did.

use first_boot_tests::coder::{Coder, Import, State};
use first_boot_tests::machine::{Machine, Outcome};

fn ready(coder: &Coder) -> Option<Machine> {
    let machine = Machine::new(coder)?;
    machine.add_template("shell", "# one");
    machine.add_template("languages", "# two");
    Some(machine)
}

#[track_caller]
fn assert_code(outcome: &Outcome, code: i32) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.log);
}

/// How Terraform puts it, in its own lines: broken in the middle of a sentence.
const OFFLINE: &str = "\
│ Error: Failed to query available provider packages
│
│ Could not retrieve the list of available versions for provider
│ kreuzwerker/docker: could not connect to registry.terraform.io: failed to
│ request discovery document: Get
│ \"https://registry.terraform.io/.well-known/terraform.json\": dial tcp:
│ lookup registry.terraform.io on 192.0.2.53:53: no such host
";

/// Podman's socket is not there yet; no line holds what it looks for.
/// What the `kubernetes` provider says before k3s has given Coder its kubeconfig.
const NO_K3S: &str = "Error: 'config_path' refers to an invalid path: \
    \"/run/coder-k3s/kubeconfig\": stat /run/coder-k3s/kubeconfig: no such file or directory";
const NO_PODMAN: &str = "\
│ Error: Error pinging Docker server, please make sure that it is reachable: Cannot
│ connect to the Docker daemon at unix:///run/coder-podman/podman.sock.
";

fn fails(log: &str) -> Import {
    Import::Fails {
        // The error says nothing.
        error: "initialize terraform: exit status 1".into(),
        log: log.lines().map(str::to_owned).collect(),
    }
}

#[test]
fn each_folder_becomes_a_template() {
    let coder = Coder::start();
    let Some(machine) = ready(&coder) else { return };
    std::fs::create_dir(machine.path("templates/not-a-template")).expect("create");

    assert_code(&machine.run(&["run"]), 0);

    let state = coder.state();
    let mut names: Vec<_> = state.templates.iter().map(|t| t.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["languages", "shell"]);
    assert_eq!(
        state.templates[0].title, "A title",
        "from the head of README.md"
    );
    let tar = String::from_utf8_lossy(&state.files[0].0);
    assert!(tar.contains("./main.tf") && tar.contains("ustar"));
}

#[test]
fn changed_content_is_a_new_version_of_that_template_only() {
    let coder = Coder::start();
    let Some(machine) = ready(&coder) else { return };
    assert_code(&machine.run(&["run"]), 0);
    machine.add_template("shell", "# changed");

    assert_code(&machine.run(&["run"]), 0);

    let state = coder.state();
    let of = |name: &str| {
        state
            .templates
            .iter()
            .find(|t| t.name == name)
            .expect("deployed")
    };
    assert_eq!(state.versions_of(of("languages")).len(), 1);
    let versions = state.versions_of(of("shell"));
    assert_eq!(versions.len(), 2);
    assert_eq!(of("shell").active_version, versions[1].id);
}

#[test]
fn times_and_modes_are_not_content() {
    let coder = Coder::start();
    let Some(machine) = ready(&coder) else { return };
    assert_code(&machine.run(&["run"]), 0);
    let file = machine.path("templates/shell/main.tf");
    let read_only = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    std::fs::set_permissions(&file, read_only).expect("chmod");
    let past = std::time::SystemTime::UNIX_EPOCH;
    std::fs::File::open(&file)
        .expect("open")
        .set_modified(past)
        .expect("set");

    assert_code(&machine.run(&["run"]), 0);

    assert_eq!(coder.state().versions.len(), 2);
}

#[test]
fn a_lost_stamp_is_found_again_on_the_server() {
    let coder = Coder::start();
    let Some(machine) = ready(&coder) else { return };
    assert_code(&machine.run(&["run"]), 0);
    std::fs::remove_dir_all(machine.path("state/templates")).expect("remove");

    assert_code(&machine.run(&["run"]), 0);

    assert_eq!(coder.state().versions.len(), 2);
    assert!(machine.read("state/templates/shell").is_some());
}

#[test]
fn a_new_server_gets_them_all_whatever_is_remembered_of_the_old_one() {
    let coder = Coder::start();
    let Some(machine) = ready(&coder) else { return };
    assert_code(&machine.run(&["run"]), 0);

    // A reset that was cut short between the database and `forget`.
    *coder.state() = State::default();
    assert_code(&machine.run(&["run"]), 0);

    let state = coder.state();
    assert_eq!(
        (
            state.users.len(),
            state.tokens().len(),
            state.templates.len()
        ),
        (1, 1, 2)
    );
}

#[test]
fn what_the_owner_does_to_a_template_stays() {
    let coder = Coder::start();
    let Some(machine) = ready(&coder) else { return };
    assert_code(&machine.run(&["run"]), 0);
    {
        let mut state = coder.state();
        state
            .templates
            .retain(|template| template.name != "languages");
        state.templates[0].active_version = "the owner's".into();
    }

    assert_code(&machine.run(&["run"]), 0);

    let state = coder.state();
    assert_eq!(state.templates.len(), 1);
    assert_eq!(state.templates[0].active_version, "the owner's");
}

#[test]
fn without_a_network_everything_else_is_done_and_the_rest_later() {
    let coder = Coder::start();
    let Some(mut machine) = ready(&coder) else {
        return;
    };
    let nobody = Coder::never();
    machine.set("FIRST_BOOT_PROBE_URL", nobody.url());

    for _ in 0..3 {
        assert_code(&machine.run(&["run"]), 75);
    }
    assert!(machine.read("run/first-user-exists").is_some());
    assert!(machine.read("state/session-token").is_some());
    assert_eq!(coder.state().versions.len(), 0, "no failed imports pile up");

    machine.set("FIRST_BOOT_PROBE_URL", coder.url());
    // The probe is the one request that a proxy has a say in.
    machine.env.remove("http_proxy");
    assert_code(&machine.run(&["run"]), 0);
    assert_eq!(coder.state().templates.len(), 2);
}

#[test]
fn what_is_missing_outside_during_the_import_is_later_too() {
    for log in [OFFLINE, NO_PODMAN, NO_K3S] {
        let coder = Coder::start();
        let Some(machine) = ready(&coder) else { return };
        coder.state().import = fails(log);
        assert_code(&machine.run(&["run"]), 75);

        coder.state().import = Import::Succeeds { after: 2 };
        assert_code(&machine.run(&["run"]), 0);

        let state = coder.state();
        assert_eq!(state.templates.len(), 2);
        assert!(
            state
                .templates
                .iter()
                .all(|t| state.versions_of(t).len() == 1)
        );
    }
}

#[test]
fn a_broken_template_is_named_and_does_not_stop_the_others() {
    let coder = Coder::start();
    let Some(machine) = ready(&coder) else { return };
    machine.add_template("a-bad-one", "# broken");

    let outcome = machine.run(&["run"]);
    assert_code(&outcome, 65);
    assert!(
        outcome.log.contains("broken templates: a-bad-one"),
        "{}",
        outcome.log
    );
    assert!(
        outcome.log.contains("undeclared resource"),
        "{}",
        outcome.log
    );
    assert_eq!(coder.state().templates.len(), 2);

    machine.add_template("a-bad-one", "# mended");
    assert_code(&machine.run(&["run"]), 0);
    assert_eq!(coder.state().templates.len(), 3);
}

#[test]
fn later_wins_over_broken() {
    let coder = Coder::start();
    let Some(machine) = ready(&coder) else { return };
    machine.add_template("a-bad-one", "# broken");
    coder.state().import = fails(OFFLINE);
    assert_code(&machine.run(&["run"]), 75);
}

#[test]
fn an_import_that_takes_too_long_is_picked_up_where_it_was() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.add_template("shell", "# one");
    machine.set("FIRST_BOOT_IMPORT_SECONDS", "1");
    coder.state().import = Import::Succeeds { after: u32::MAX };
    assert_code(&machine.run(&["run"]), 75);

    coder.state().versions[0].import = Import::Succeeds { after: 0 };
    assert_code(&machine.run(&["run"]), 0);

    let state = coder.state();
    assert_eq!(state.versions.len(), 1, "not imported a second time");
    assert_eq!(state.templates[0].active_version, state.versions[0].id);
}

#[test]
fn a_name_that_coder_would_refuse_is_refused_here() {
    let coder = Coder::start();
    let Some(machine) = Machine::new(&coder) else {
        return;
    };
    machine.add_template("No_Name", "# one");
    let outcome = machine.run(&["run"]);
    assert_code(&outcome, 78);
    assert!(outcome.log.contains("No_Name"));
}
