//! Derivations as `.drv` files hold them: read, and written again byte for byte.
//!
//! Source of the format: the Nix manual, "Derivation ATerm format", and Nix's own
//! `derivations.cc`. The files are read directly since they are stable, while the JSON of
//! `nix derivation show` has changed its form several times and costs seconds for a
//! system. Names follow the crate `nix-compat`. Values of the environment are bytes: Nix
//! asks for no encoding.

use thiserror::Error;

use crate::nixbase32;

/// The variable in which all attributes of a derivation with `__structuredAttrs` stand, as JSON.
///
/// Source: the `.drv` files that Nix writes for such; the Nix manual, "Advanced attributes".
pub const STRUCTURED: &[u8] = b"__json";

/// What every derivation's file name ends with.
pub const EXTENSION: &str = ".drv";

/// What a file begins with.
const START: &[u8] = b"Derive([";

/// The first word of a derivation whose inputs are made while building, which no released
/// Nix makes without the experimental feature `dynamic-derivations`.
const DYNAMIC: &[u8] = b"DrvWithVersion(";

/// Why bytes are no derivation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DerivationError {
    /// It ends before it is complete.
    #[error("it ends too early, after {0} bytes")]
    CutShort(usize),
    /// Something else stands where the format has one thing only.
    #[error("it is not a derivation: expected {expected} at byte {offset}")]
    Unexpected {
        /// Where, in bytes from 0.
        offset: usize,
        /// What the format has there.
        expected: &'static str,
    },
    /// A derivation with dynamic inputs.
    #[error(
        "it has dynamic inputs (the experimental feature `dynamic-derivations`), which cbox does not read"
    )]
    Dynamic,
    /// Larger than any derivation can be.
    #[error("it is larger than 4 GiB")]
    TooLarge,
}

/// A derivation. All its strings stand in one buffer, so that a closure of ten thousand
/// takes little more memory than its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation {
    /// All strings, without escapes, one behind the other.
    text: Box<[u8]>,
    outputs: Box<[[At; 4]]>,
    inputs: Box<[(At, Box<[At]>)]>,
    sources: Box<[At]>,
    system: At,
    builder: At,
    arguments: Box<[At]>,
    environment: Box<[(At, At)]>,
}

/// A part of the text: from, to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At(u32, u32);

/// An output of a derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output<'a> {
    /// Its name: `out`, `dev`.
    pub name: &'a str,
    /// Its store path; empty where only the build tells (content-addressed outputs, and
    /// those that depend on one).
    pub path: &'a str,
    /// How it is hashed if its content is fixed or addresses it: `sha256`, `r:sha256`.
    pub hash_algorithm: &'a str,
    /// The hash of its content, in base 16, if that is fixed.
    pub hash: &'a str,
}

/// A derivation that another one needs.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The path of its `.drv` file.
    pub path: &'a str,
    text: &'a [u8],
    outputs: &'a [At],
}

impl<'a> Input<'a> {
    /// The names of the outputs that are needed.
    pub fn outputs(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let text = self.text;
        self.outputs.iter().map(move |&at| as_str(text, at))
    }
}

impl Derivation {
    /// Reads the content of a `.drv` file.
    ///
    /// # Errors
    /// When it is cut short, or no derivation, or one with dynamic inputs.
    pub fn from_aterm_bytes(bytes: &[u8]) -> Result<Self, DerivationError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(DerivationError::TooLarge);
        }
        if bytes.starts_with(DYNAMIC) {
            return Err(DerivationError::Dynamic);
        }
        let mut reader = Reader {
            bytes,
            offset: 0,
            text: Vec::with_capacity(bytes.len()),
        };
        reader.word(START, "`Derive([`")?;
        let outputs = reader.list(Reader::output)?;
        reader.word(b",[", "`,[`")?;
        let inputs = reader.list(Reader::input)?;
        reader.word(b",[", "`,[`")?;
        let sources = reader.list(Reader::store_path)?;
        reader.word(b",", "`,`")?;
        let system = reader.string()?;
        reader.word(b",", "`,`")?;
        let builder = reader.string()?;
        reader.word(b",[", "`,[`")?;
        let arguments = reader.list(Reader::string)?;
        reader.word(b",[", "`,[`")?;
        let environment = reader.list(Reader::variable)?;
        reader.word(b")", "`)`")?;
        if reader.offset < bytes.len() {
            return Err(reader.unexpected("the end"));
        }
        Ok(Self {
            text: reader.text.into_boxed_slice(),
            outputs,
            inputs,
            sources,
            system,
            builder,
            arguments,
            environment,
        })
    }

    /// The content of its `.drv` file.
    #[must_use]
    pub fn to_aterm_bytes(&self) -> Vec<u8> {
        let mut writer = Writer {
            text: &self.text,
            // Room for what stands around the strings, so that it seldom grows.
            bytes: Vec::with_capacity(self.text.len() + self.text.len() / 8 + 256),
        };
        writer.bytes.extend_from_slice(START);
        writer.list(&self.outputs, |writer, output| writer.tuple(output));
        writer.bytes.extend_from_slice(b",[");
        writer.list(&self.inputs, |writer, (path, outputs)| {
            writer.bytes.push(b'(');
            writer.string(*path);
            writer.bytes.extend_from_slice(b",[");
            writer.list(outputs, |writer, output| writer.string(*output));
            writer.bytes.push(b')');
        });
        writer.bytes.extend_from_slice(b",[");
        writer.list(&self.sources, |writer, source| writer.string(*source));
        writer.bytes.push(b',');
        writer.string(self.system);
        writer.bytes.push(b',');
        writer.string(self.builder);
        writer.bytes.extend_from_slice(b",[");
        writer.list(&self.arguments, |writer, argument| writer.string(*argument));
        writer.bytes.extend_from_slice(b",[");
        writer.list(&self.environment, |writer, (name, value)| {
            writer.tuple(&[*name, *value])
        });
        writer.bytes.push(b')');
        writer.bytes
    }

    /// Its outputs, sorted by name.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = Output<'_>> {
        self.outputs
            .iter()
            .map(|&[name, path, hash_algorithm, hash]| Output {
                name: self.str(name),
                path: self.str(path),
                hash_algorithm: self.str(hash_algorithm),
                hash: self.str(hash),
            })
    }

    /// The derivations that it needs, sorted by path.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = Input<'_>> {
        self.inputs.iter().map(|(path, outputs)| Input {
            path: self.str(*path),
            text: &self.text,
            outputs,
        })
    }

    /// The store paths that it needs and that no derivation makes, sorted.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = &str> {
        self.sources.iter().map(|&source| self.str(source))
    }

    /// The system on which it is built.
    #[must_use]
    pub fn system(&self) -> &[u8] {
        self.bytes(self.system)
    }

    /// The program that builds it.
    #[must_use]
    pub fn builder(&self) -> &[u8] {
        self.bytes(self.builder)
    }

    /// The builder's arguments.
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.arguments.iter().map(|&argument| self.bytes(argument))
    }

    /// The builder's environment: names and values, sorted by name.
    pub fn environment(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.environment
            .iter()
            .map(|&(name, value)| (self.bytes(name), self.bytes(value)))
    }

    /// The value of one variable of the environment.
    #[must_use]
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.environment().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    fn bytes(&self, At(from, to): At) -> &[u8] {
        &self.text[from as usize..to as usize]
    }

    fn str(&self, at: At) -> &str {
        as_str(&self.text, at)
    }
}

/// Text that was found to be ASCII when it was read.
fn as_str(text: &[u8], At(from, to): At) -> &str {
    std::str::from_utf8(&text[from as usize..to as usize]).unwrap_or_default()
}

/// Reads a file from its start to its end.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    text: Vec<u8>,
}

impl Reader<'_> {
    fn unexpected(&self, expected: &'static str) -> DerivationError {
        if self.offset >= self.bytes.len() {
            DerivationError::CutShort(self.bytes.len())
        } else {
            DerivationError::Unexpected {
                offset: self.offset,
                expected,
            }
        }
    }

    fn word(&mut self, word: &[u8], name: &'static str) -> Result<(), DerivationError> {
        let rest = &self.bytes[self.offset..];
        if rest.starts_with(word) {
            self.offset += word.len();
            return Ok(());
        }
        if word.starts_with(rest) {
            return Err(DerivationError::CutShort(self.bytes.len()));
        }
        Err(self.unexpected(name))
    }

    /// The rest of a list whose opening bracket is read.
    fn list<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<T, DerivationError>,
    ) -> Result<Box<[T]>, DerivationError> {
        let mut items = Vec::new();
        if self.bytes.get(self.offset) == Some(&b']') {
            self.offset += 1;
            return Ok(items.into_boxed_slice());
        }
        loop {
            items.push(item(self)?);
            match self.bytes.get(self.offset) {
                Some(b',') => self.offset += 1,
                Some(b']') => {
                    self.offset += 1;
                    return Ok(items.into_boxed_slice());
                }
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
    }

    fn string(&mut self) -> Result<At, DerivationError> {
        self.word(b"\"", "`\"`")?;
        // The text is never longer than the file, whose length fits.
        let from = self.text.len() as u32;
        loop {
            let rest = &self.bytes[self.offset..];
            let plain = memchr::memchr2(b'"', b'\\', rest)
                .ok_or(DerivationError::CutShort(self.bytes.len()))?;
            self.text.extend_from_slice(&rest[..plain]);
            self.offset += plain + 1;
            if rest[plain] == b'"' {
                return Ok(At(from, self.text.len() as u32));
            }
            let escaped = match rest.get(plain + 1) {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(&quoted @ (b'"' | b'\\')) => quoted,
                _ => return Err(self.unexpected("one of `nrt\"\\`")),
            };
            self.text.push(escaped);
            self.offset += 1;
        }
    }

    /// A string in which nothing but ASCII can stand.
    fn ascii(&mut self) -> Result<At, DerivationError> {
        let start = self.offset;
        let at = self.string()?;
        if self.text[at.0 as usize..].is_ascii() {
            return Ok(at);
        }
        self.offset = start;
        Err(self.unexpected("a name"))
    }

    fn store_path(&mut self) -> Result<At, DerivationError> {
        let start = self.offset;
        let at = self.ascii()?;
        if is_store_path(&self.text[at.0 as usize..]) {
            return Ok(at);
        }
        self.offset = start;
        Err(self.unexpected("a store path"))
    }

    fn output(&mut self) -> Result<[At; 4], DerivationError> {
        self.word(b"(", "`(`")?;
        let name = self.ascii()?;
        self.word(b",", "`,`")?;
        let path = if self.bytes[self.offset..].starts_with(b"\"\"") {
            self.ascii()?
        } else {
            self.store_path()?
        };
        self.word(b",", "`,`")?;
        let hash_algorithm = self.ascii()?;
        self.word(b",", "`,`")?;
        let hash = self.ascii()?;
        self.word(b")", "`)`")?;
        Ok([name, path, hash_algorithm, hash])
    }

    fn input(&mut self) -> Result<(At, Box<[At]>), DerivationError> {
        self.word(b"(", "`(`")?;
        let path = self.store_path()?;
        self.word(b",[", "`,[`")?;
        let outputs = self.list(Self::ascii)?;
        self.word(b")", "`)`")?;
        Ok((path, outputs))
    }

    fn variable(&mut self) -> Result<(At, At), DerivationError> {
        self.word(b"(", "`(`")?;
        let name = self.string()?;
        self.word(b",", "`,`")?;
        let value = self.string()?;
        self.word(b")", "`)`")?;
        Ok((name, value))
    }
}

/// Whether `text` ends with `/<32 digits of base 32>-<name>`, whatever the store.
fn is_store_path(text: &[u8]) -> bool {
    let base = text.rsplit(|&byte| byte == b'/').next().unwrap_or(text);
    text.first() == Some(&b'/')
        && base.len() > DIGEST_LENGTH + 1
        && base[DIGEST_LENGTH] == b'-'
        && base[..DIGEST_LENGTH]
            .iter()
            .all(|&digit| nixbase32::is_digit(digit))
}

/// The number of digits in the hash part of a store path.
pub const DIGEST_LENGTH: usize = 32;

/// Writes a file from its start to its end.
struct Writer<'a> {
    text: &'a [u8],
    bytes: Vec<u8>,
}

impl Writer<'_> {
    /// The items of a list and its closing bracket.
    fn list<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                self.bytes.push(b',');
            }
            write(self, item);
        }
        self.bytes.push(b']');
    }

    fn tuple(&mut self, strings: &[At]) {
        for (position, &string) in strings.iter().enumerate() {
            self.bytes.push(if position == 0 { b'(' } else { b',' });
            self.string(string);
        }
        self.bytes.push(b')');
    }

    fn string(&mut self, At(from, to): At) {
        let mut rest = &self.text[from as usize..to as usize];
        self.bytes.push(b'"');
        while let Some(position) = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t'))
        {
            self.bytes.extend_from_slice(&rest[..position]);
            let escaped = match rest[position] {
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                quoted => quoted,
            };
            self.bytes.extend_from_slice(&[b'\\', escaped]);
            rest = &rest[position + 1..];
        }
        self.bytes.extend_from_slice(rest);
        self.bytes.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As Nix 2.26 wrote it, with a fixed output, two outputs and every escape.
    const FILE: &str = r#"Derive([("dev","/nix/store/0c3czqpmrzmv41pcrr2gq03qkvpd3w0w-x-dev","",""),("out","/nix/store/5bkcqwq3qb6dxshcj44hr1jrf8k7qhxb-x","r:sha256","aa")],[("/nix/store/2w0qkvpd3w0w0c3czqpmrzmv41pcrr2g-y.drv",["bin","out"])],["/nix/store/41pcrr2gq03qkvpd3w0w0c3czqpmrzmv-s"],"x86_64-linux","/bin/sh",["-c","echo \"a\"\n\t\\\r"],[("__json","{}"),("out","")])"#;

    fn read(text: &str) -> Result<Derivation, DerivationError> {
        Derivation::from_aterm_bytes(text.as_bytes())
    }

    #[test]
    fn every_field_is_read() {
        let derivation = read(FILE).unwrap();
        let outputs: Vec<Output<'_>> = derivation.outputs().collect();
        assert_eq!((outputs[0].name, outputs[0].hash), ("dev", ""));
        assert_eq!(
            (outputs[1].hash_algorithm, outputs[1].hash),
            ("r:sha256", "aa")
        );
        let inputs: Vec<Input<'_>> = derivation.inputs().collect();
        assert!(inputs[0].path.ends_with("-y.drv"));
        assert_eq!(inputs[0].outputs().collect::<Vec<_>>(), ["bin", "out"]);
        assert!(derivation.sources().next().unwrap().ends_with("-s"));
        assert_eq!(
            (derivation.system(), derivation.builder()),
            (&b"x86_64-linux"[..], &b"/bin/sh"[..])
        );
        assert_eq!(
            derivation.arguments().nth(1).unwrap(),
            b"echo \"a\"\n\t\\\r"
        );
        assert_eq!(derivation.variable(b"__json"), Some(&b"{}"[..]));
        assert_eq!(derivation.variable(b"none"), None);
        assert_eq!(derivation.to_aterm_bytes(), FILE.as_bytes());
    }

    #[test]
    fn every_shorter_file_is_cut_short() {
        for length in 0..FILE.len() {
            assert_eq!(
                read(&FILE[..length]),
                Err(DerivationError::CutShort(length)),
                "{length}"
            );
        }
        assert!(matches!(
            read(&format!("{FILE} ")),
            Err(DerivationError::Unexpected { .. })
        ));
    }

    #[test]
    fn what_is_no_derivation_is_refused_with_its_place() {
        let place = |text: &str| match read(text) {
            Err(DerivationError::Unexpected { offset, .. }) => offset,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(place("{}"), 0);
        assert_eq!(
            place(&FILE.replace(r#"("out","/nix"#, r#"("out","nix"#)),
            FILE.find("\"/nix/store/5").unwrap()
        );
        place(&FILE.replace("0c3czq", "0c3eeq"));
        place(&FILE.replace("\"dev\"", "\"d\u{e9}v\""));
        place(&FILE.replace(r"\t", r"\q"));
        place(&FILE.replace("],[(\"__json", "],[;\"__json"));
        assert_eq!(
            read("DrvWithVersion(\"xp-dyn-drv\",["),
            Err(DerivationError::Dynamic)
        );
    }

    prop_compose! {
        fn quoted()(bytes in prop::collection::vec(any::<u8>(), 0..12)) -> Vec<u8> {
            let mut text = vec![b'"'];
            for byte in bytes {
                match byte {
                    b'\n' => text.extend(b"\\n"),
                    b'\r' => text.extend(b"\\r"),
                    b'\t' => text.extend(b"\\t"),
                    b'"' | b'\\' => text.extend([b'\\', byte]),
                    byte => text.push(byte),
                }
            }
            text.push(b'"');
            text
        }
    }

    proptest! {
        #[test]
        fn whatever_is_in_the_strings_comes_back(
            system in quoted(),
            arguments in prop::collection::vec(quoted(), 0..4),
            environment in prop::collection::vec((quoted(), quoted()), 0..4),
        ) {
            let mut text = br#"Derive([("out","","",""),("x","","r:sha256","")],[],[],"#.to_vec();
            text.extend(&system);
            text.extend(b",\"\",[");
            text.extend(arguments.join(&b","[..]));
            text.extend(b"],[");
            let pairs: Vec<Vec<u8>> = environment
                .iter()
                .map(|(name, value)| [b"(", &name[..], b",", value, b")"].concat())
                .collect();
            text.extend(pairs.join(&b","[..]));
            text.extend(b"])");
            let derivation = Derivation::from_aterm_bytes(&text).unwrap();
            prop_assert_eq!(derivation.to_aterm_bytes(), text);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..FILE.len()) {
            let _refused = Derivation::from_aterm_bytes(&bytes);
            let mut damaged = FILE.as_bytes().to_vec();
            damaged.splice(at..at, bytes);
            // Nix takes a bare line feed in a string, and writes it with an escape.
            if let Ok(derivation) = Derivation::from_aterm_bytes(&damaged) {
                let again = Derivation::from_aterm_bytes(&derivation.to_aterm_bytes());
                prop_assert_eq!(again, Ok(derivation));
            }
        }
    }
}
