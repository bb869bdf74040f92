//! The key of a remembered evaluation: a hash over all that its result depends on.

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::expression::Request;

/// All that the result of an evaluation depends on. Two evaluations with equal parts
/// give the same result; what is not here must not matter.
#[derive(Debug, Clone, Serialize)]
pub struct KeyParts<'a> {
    /// The hash of the staged source, its `flake.lock` (so all locked inputs) included.
    pub nar_hash: &'a str,
    /// The folder of `flake.nix` in the staged source.
    pub dir: &'a str,
    /// The host, its attributes and the overrides, revision and branch among them
    /// where they are passed.
    pub request: &'a Request,
    /// The expression that is applied: a new cbox may ask otherwise.
    pub expression: &'a str,
    /// Replaced inputs, by name, with *locked* references.
    pub overridden_inputs: &'a [(String, String)],
    /// The store that the derivation was written to.
    pub store: &'a str,
    /// The directory of store paths, which is a part of each of them.
    pub store_dir: &'a str,
    /// The whole version line of Nix.
    pub nix_version: &'a str,
    /// Its experimental features, sorted.
    pub features: &'a [String],
    /// Whether building during evaluation is allowed.
    pub import_from_derivation: bool,
}

impl KeyParts<'_> {
    /// The key: 64 hexadecimal digits, good as a file name.
    #[must_use]
    pub fn key(&self) -> String {
        // JSON of a struct with sorted maps has one form, and no part runs into the next.
        let document = serde_json::json!(self).to_string();
        HEXLOWER.encode(&Sha256::digest(document))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{expression::Want, overrides::Overrides};
    use serde_json::json;
    use std::collections::BTreeSet;

    fn request() -> Request {
        Request {
            host: "h".into(),
            wants: vec![Want::Derivation("system.build.toplevel".parse().unwrap())],
            ..Request::default()
        }
    }

    fn wanting(want: Want) -> Request {
        Request {
            wants: vec![want],
            ..request()
        }
    }

    /// Every part, changed in turn, gives a key of its own.
    #[test]
    fn each_part_counts() {
        let base_request = request();
        let features = ["flakes".to_owned()];
        let other_features = ["ca-derivations".to_owned(), "flakes".to_owned()];
        let inputs = [("nixpkgs".to_owned(), "path:/a?narHash=x".to_owned())];
        let moved_inputs = [("nixpkgs".to_owned(), "path:/a?narHash=y".to_owned())];
        let base = KeyParts {
            nar_hash: "sha256-a",
            dir: "",
            request: &base_request,
            expression: "x",
            overridden_inputs: &inputs,
            store: "auto",
            store_dir: "/nix/store",
            nix_version: "nix (Nix) 2.26.3",
            features: &features,
            import_from_derivation: false,
        };
        let changed_requests = [
            Request {
                host: "i".into(),
                ..request()
            },
            Request {
                wants: vec![],
                ..request()
            },
            wanting(Want::Derivation("a".parse().unwrap())),
            wanting(Want::Variant("a".into())),
            wanting(Want::Text("a".parse().unwrap())),
            wanting(Want::ArtifactPath),
            wanting(Want::Toplevel),
            wanting(Want::Images),
            Request {
                overrides: {
                    let mut overrides = Overrides::default();
                    overrides.force("a".parse().unwrap(), json!(1));
                    overrides
                },
                ..request()
            },
            Request {
                overrides: {
                    let mut overrides = Overrides::default();
                    overrides.force("a".parse().unwrap(), json!("1"));
                    overrides
                },
                ..request()
            },
        ];
        let mut all = vec![
            base.clone(),
            KeyParts {
                nar_hash: "sha256-b",
                ..base.clone()
            },
            KeyParts {
                dir: "sub",
                ..base.clone()
            },
            KeyParts {
                expression: "y",
                ..base.clone()
            },
            KeyParts {
                overridden_inputs: &[],
                ..base.clone()
            },
            KeyParts {
                overridden_inputs: &moved_inputs,
                ..base.clone()
            },
            KeyParts {
                store: "/elsewhere",
                ..base.clone()
            },
            KeyParts {
                store_dir: "/gnu/store",
                ..base.clone()
            },
            KeyParts {
                nix_version: "nix (Nix) 2.34.8",
                ..base.clone()
            },
            KeyParts {
                features: &other_features,
                ..base.clone()
            },
            KeyParts {
                import_from_derivation: true,
                ..base.clone()
            },
        ];
        all.extend(changed_requests.iter().map(|request| KeyParts {
            request,
            ..base.clone()
        }));
        let keys: BTreeSet<String> = all.iter().map(KeyParts::key).collect();
        assert_eq!(keys.len(), all.len());
        assert_eq!(base.key(), base.clone().key());
    }
}
