//! What the menu of a live image says: whether its first entry speaks on the serial line,
//! and if not, which way leads to one that does.
//!
//! Of GRUB's and Syslinux' languages this reads what menus are made of: entries, menus
//! inside of them, and the words that the kernel gets.

use std::fmt;

/// What is known of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Menu {
    /// What it starts by itself speaks on the serial line.
    Speaks,
    /// Another entry does.
    Way(Way),
    /// None does.
    Silent,
}

/// The way to an entry, from menu to menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way(pub Vec<Step>);

/// What is chosen in one menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How often Down is pressed before Enter.
    pub down: usize,
    /// How many there are to choose from.
    pub of: usize,
    /// Its title.
    pub title: String,
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles: Vec<&str> = self.0.iter().map(|step| &*step.title).collect();
        formatter.write_str(&titles.join(" > "))
    }
}

/// An entry or a menu. Those that are not shown are none.
#[derive(Debug, Default)]
struct Item {
    title: String,
    /// Whether it is there only under a condition.
    is_uncertain: bool,
    /// Whether its kernel is told of the serial line.
    speaks: bool,
    /// What a menu has inside.
    items: Vec<Item>,
}

/// How deep menus are inside of each other at most; what is deeper is passed by. Real ones have
/// three levels.
const DEEPEST: usize = 32;

/// Whether a word for the kernel makes it speak on the first serial line of a PC.
fn is_serial(word: &str) -> bool {
    let word = word.trim_matches(['"', '\'']);
    word.strip_prefix("console=ttyS0")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
}

impl Menu {
    /// What `EFI/BOOT/grub.cfg` and its likes say.
    #[must_use]
    pub fn of_grub(text: &str) -> Self {
        // The menus and entries that are open, and the braces that are neither.
        let mut open: Vec<Option<Item>> = vec![Some(Item::default())];
        let mut conditions = 0_usize;
        for line in text.lines().map(str::trim) {
            let mut words = line.split_whitespace();
            match words.next().unwrap_or_default() {
                "menuentry" | "submenu" if line.ends_with('{') => {
                    let item = || Item {
                        title: title(line),
                        is_uncertain: conditions > 0,
                        ..Item::default()
                    };
                    open.push((open.len() <= DEEPEST).then(item));
                }
                "linux" | "linuxefi" | "linux16" => {
                    if let Some(Some(item)) = open.last_mut() {
                        item.speaks = words.any(is_serial);
                    }
                }
                "if" => conditions += 1,
                "fi" => conditions = conditions.saturating_sub(1),
                "}" => {
                    let closed = if open.len() > 1 { open.pop() } else { None };
                    if let Some(Some(item)) = closed
                        && let Some(menu) = open.iter_mut().rev().flatten().next()
                    {
                        menu.items.push(item);
                    }
                }
                // Hidden entries and functions.
                _ if line.ends_with('{') => open.push(None),
                _ => {}
            }
        }
        let top = open.into_iter().next().flatten().unwrap_or_default();
        Self::of(&top.items)
    }

    /// What `isolinux/isolinux.cfg` says.
    #[must_use]
    pub fn of_syslinux(text: &str) -> Self {
        let mut open: Vec<Item> = vec![Item::default()];
        let mut too_deep = 0_usize;
        for line in text.lines().map(str::trim) {
            let upper = line.to_ascii_uppercase();
            let words: Vec<&str> = line.split_whitespace().collect();
            let keys: Vec<&str> = upper.split_whitespace().take(2).collect();
            let rest = |from: usize| words[from..].join(" ");
            let depth = open.len();
            let Some(menu) = open.last_mut() else {
                break;
            };
            match keys[..] {
                ["MENU", "BEGIN"] if too_deep > 0 || depth > DEEPEST => too_deep += 1,
                ["MENU", "END"] if too_deep > 0 => too_deep -= 1,
                _ if too_deep > 0 => {}
                ["LABEL", _] => menu.items.push(Item {
                    title: rest(1),
                    ..Item::default()
                }),
                ["MENU", "LABEL"] => {
                    if let Some(item) = menu.items.last_mut() {
                        item.title = rest(2).replace('^', "");
                    }
                }
                ["APPEND", ..] => {
                    if let Some(item) = menu.items.last_mut() {
                        item.speaks = words[1..].iter().any(|word| is_serial(word));
                    }
                }
                ["MENU", "HIDE"] => {
                    menu.items.pop();
                }
                ["MENU", "BEGIN"] => open.push(Item {
                    title: rest(2),
                    ..Item::default()
                }),
                ["MENU", "END"] if open.len() > 1 => {
                    let item = open.pop().unwrap_or_default();
                    if let Some(menu) = open.last_mut() {
                        menu.items.push(item);
                    }
                }
                _ => {}
            }
        }
        let top = open.into_iter().next().unwrap_or_default();
        Self::of(&top.items)
    }

    fn of(items: &[Item]) -> Self {
        match items.first() {
            Some(first) if first.speaks => Self::Speaks,
            _ => way(items).map_or(Self::Silent, Self::Way),
        }
    }
}

/// The way to the first entry that speaks.
fn way(items: &[Item]) -> Option<Way> {
    items.iter().enumerate().find_map(|(index, item)| {
        let inside = match item.speaks {
            true => vec![],
            false => way(&item.items)?.0,
        };
        // Who knows how far down it is then?
        if items[..=index].iter().any(|item| item.is_uncertain) {
            return None;
        }
        let step = Step {
            down: index,
            of: items.len(),
            title: item.title.clone(),
        };
        Some(Way([vec![step], inside].concat()))
    })
}

/// The first word behind `menuentry` or `submenu`, which mostly stands in quotes.
fn title(line: &str) -> String {
    let line = line.split_once(char::is_whitespace);
    let line = line.map_or("", |(_, line)| line.trim_start());
    let title = match line.chars().next() {
        Some(quote @ ('\'' | '"')) => line[1..].split(quote).next(),
        _ => line.split_whitespace().next(),
    };
    title.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn menus_of_any_depth_take_a_small_stack() {
        const DEPTH: usize = 50_000;
        let speaks = "linux /k console=ttyS0\n";
        let grub = [&"submenu x {\n".repeat(DEPTH), speaks, &"}\n".repeat(DEPTH)].concat();
        assert_eq!(Menu::of_grub(&grub), Menu::Silent);
        let entry = "LABEL x\nAPPEND console=ttyS0\n";
        let inside = ["MENU BEGIN\n".repeat(DEPTH), "MENU END\n".repeat(DEPTH)];
        let syslinux = [&inside[0], entry, &inside[1], entry].concat();
        let way = Menu::of_syslinux(&syslinux);
        assert!(
            matches!(&way, Menu::Way(Way(steps)) if steps.len() == 1),
            "{way:?}"
        );
    }

    /// nixpkgs' menus, shortened (nixos/modules/installer/cd-dvd/iso-image.nix).
    const GRUB: &str = r#"
set timeout=10
echo "Press 't' to use the text boot menu on this console..."
if [ "$textmode" == "false" ]; then
  terminal_output gfxterm
else
  terminal_output console
fi
hiddenentry 'Text mode' --hotkey 't' {
  terminal_output console
}
menuentry 'NixOS 26.11 - Box' --class installer {
  terminal_output console
  linux /boot/bzImage ${isoboot} init=/nix/store/x/init loglevel=4
  initrd /boot/initrd
}
submenu "Options" --class submenu --class hidpi {
  hiddenentry 'Text mode' --hotkey 't' {
    terminal_output console
  }
  submenu "Copy ISO Files to RAM" --class copytoram {
    menuentry 'NixOS 26.11 - Box' --class installer {
      linux /boot/bzImage ${isoboot} init=/nix/store/x/init loglevel=4 copytoram
    }
  }
  submenu "Serial console=ttyS0,115200n8" --class serial {
    menuentry 'NixOS 26.11 - Box' --class installer {
      linux /boot/bzImage ${isoboot} init=/nix/store/x/init loglevel=4 console=ttyS0,115200n8
    }
  }
}
if [ "$root" != "cd0" ]; then
  menuentry 'rEFInd' --class refind {
    chainloader ($root)/EFI/BOOT/refind_x64.efi
  }
fi
menuentry 'Shutdown' --class shutdown {
  halt
}
"#;

    const SYSLINUX: &str = "
SERIAL 0 115200
UI vesamenu.c32
MENU TITLE NixOS
DEFAULT boot

LABEL boot
MENU LABEL NixOS 26.11 - Box
LINUX /boot/bzImage
APPEND init=/nix/store/x/init loglevel=4

MENU BEGIN Options
MENU BEGIN No modesetting
LABEL boot-nomodeset
MENU LABEL NixOS 26.11 - Box
APPEND init=/nix/store/x/init loglevel=4 nomodeset
MENU END
MENU BEGIN Serial console=ttyS0,115200n8
LABEL boot-serial
MENU LABEL NixOS 26.11 - Box
APPEND init=/nix/store/x/init loglevel=4 console=ttyS0,115200n8
MENU END
MENU END

LABEL memtest
MENU LABEL Memtest86+
APPEND
";

    #[test]
    fn the_serial_entry_of_nixpkgs_is_found() {
        for (menu, of) in [(Menu::of_grub(GRUB), 4), (Menu::of_syslinux(SYSLINUX), 3)] {
            let Menu::Way(way) = menu else {
                panic!("{menu:?}");
            };
            let steps: Vec<_> = way.0.iter().map(|step| (step.down, step.of)).collect();
            assert_eq!(steps, [(1, of), (1, 2), (0, 1)]);
            assert_eq!(
                way.to_string(),
                "Options > Serial console=ttyS0,115200n8 > NixOS 26.11 - Box"
            );
        }
    }

    #[test]
    fn an_image_that_speaks_by_itself_is_left_alone() {
        let speaks = |text: &str| text.replace("loglevel=4", "console=ttyS0 loglevel=4");
        assert_eq!(Menu::of_grub(&speaks(GRUB)), Menu::Speaks);
        assert_eq!(Menu::of_syslinux(&speaks(SYSLINUX)), Menu::Speaks);
        let quoted = "menuentry \"a b\" {\n linux /k 'console=ttyS0,115200n8'\n}\n";
        assert_eq!(Menu::of_grub(quoted), Menu::Speaks);
    }

    #[test]
    fn without_such_an_entry_nothing_is_pressed() {
        let silent = |text: &str| text.replace("console=ttyS0", "console=ttyS01");
        assert_eq!(Menu::of_grub(&silent(GRUB)), Menu::Silent);
        assert_eq!(Menu::of_syslinux(&silent(SYSLINUX)), Menu::Silent);
        for odd in [
            "",
            "}\n}\n",
            "menuentry {\n",
            "MENU END\nMENU LABEL\nAPPEND x\nLABEL\n",
        ] {
            assert_eq!(Menu::of_grub(odd), Menu::Silent, "{odd}");
            assert_eq!(Menu::of_syslinux(odd), Menu::Silent, "{odd}");
        }
        // An entry before it may be there or not, so that nobody can count.
        let uncertain = GRUB.replace(
            "submenu \"Options\"",
            "if true; then\nmenuentry 'a' {\n}\nfi\nsubmenu \"Options\"",
        );
        assert_eq!(Menu::of_grub(&uncertain), Menu::Silent);
    }
}
