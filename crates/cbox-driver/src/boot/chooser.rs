//! Chooses an entry of a boot loader's menu by its keys.
//!
//! Menus are drawn, and nothing says that one is there, or that a key was taken. But the
//! picture tells: where Down changes it, Home changes it back, and Down makes the same of
//! it as before, there is a menu that listens, and it stands at its first entry. From there
//! each Down has to change the picture before the next one is pressed. So it does not matter
//! how slow a machine is, and no key gets lost while a boot loader draws.

use std::{cell::Cell, io, time::Duration};

use tokio::time::{Instant, sleep};

use super::menu::{Step, Way};

/// A key of a menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Down,
    Home,
    Enter,
}

/// What a picture is told by: it has no other use than to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Picture(pub u64);

/// What it takes to work a menu.
pub(super) trait Hands {
    fn press(&mut self, key: Key) -> io::Result<()>;
    async fn look(&mut self) -> io::Result<Picture>;
}

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The entry was started.
    Yes,
    /// The console speaks without it.
    Needless,
    /// It did not work, for this reason.
    No(String),
}

/// The pause between two looks. What is the same after it stands still.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a menu stands still that is drawn.
const CALM: Duration = Duration::from_secs(3);

/// A pause after which no key is under way any more.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// The longest that is waited for a key to be seen, before it counts as not taken: an
/// emulated machine beside others draws a line of a large screen for a second and more.
const PATIENT: Duration = Duration::from_secs(5);

/// How long a picture may take to stand still.
const RESTLESS: Duration = Duration::from_secs(20);

/// How long a key may take to be seen.
const UNSEEN: Duration = Duration::from_secs(10);

/// How long it may take until a menu is there: firmware that is emulated takes its time.
const NO_MENU: Duration = Duration::from_secs(300);

/// How often Enter is pressed at the last entry while the console says nothing: a boot
/// loader may ask for a key after a message, and once the entry is started it does no harm.
const ENTERS: usize = 9;

/// What is heard of the console meanwhile.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// How often something came that can be read.
    pub times: Cell<u64>,
    /// Whether a kernel speaks.
    pub kernel: Cell<bool>,
}

/// Goes the way.
pub(super) async fn choose(way: &Way, hands: &mut impl Hands, heard: &Heard) -> Chosen {
    match go(way, hands, heard).await {
        Ok(chosen) => chosen,
        Err(error) => Chosen::No(error.to_string()),
    }
}

async fn go(way: &Way, hands: &mut impl Hands, heard: &Heard) -> io::Result<Chosen> {
    for (index, Step { down, of, title }) in way.0.iter().enumerate() {
        let mut picture = match of {
            // A menu of one entry does not answer to Down. While it is drawn, which may
            // pause for a font, keys get lost.
            1 => still_for(hands, CALM).await?,
            _ => match listening(hands, heard).await? {
                Some(picture) => picture,
                None if heard.kernel.get() => return Ok(Chosen::Needless),
                None => return Ok(Chosen::No("no menu reacted to keys".to_owned())),
            },
        };
        for _ in 0..*down {
            hands.press(Key::Down)?;
            picture = match changed(hands, picture).await? {
                Some(picture) => picture,
                None => return Ok(Chosen::No(format!("the selection did not reach `{title}`"))),
            };
        }
        if index + 1 < way.0.len() {
            hands.press(Key::Enter)?;
            if changed(hands, picture).await?.is_none() {
                return Ok(Chosen::No(format!("it could not open `{title}`")));
            }
        }
    }
    let before = heard.times.get();
    for _ in 0..ENTERS {
        hands.press(Key::Enter)?;
        let begun = Instant::now();
        while begun.elapsed() < UNSEEN {
            if heard.times.get() != before {
                return Ok(Chosen::Yes);
            }
            sleep(PAUSE).await;
        }
    }
    Ok(Chosen::No(
        "the console stayed silent afterwards".to_owned(),
    ))
}

/// Waits for a menu that listens, and leaves it at its first entry.
async fn listening(hands: &mut impl Hands, heard: &Heard) -> io::Result<Option<Picture>> {
    let begun = Instant::now();
    // The slower it is, the more it is given.
    let mut patience = PAUSE;
    while begun.elapsed() < NO_MENU && !heard.kernel.get() {
        let mut pictures = [Picture(0); 4];
        for (picture, key) in pictures
            .iter_mut()
            .zip([Key::Down, Key::Home, Key::Down, Key::Home])
        {
            hands.press(key)?;
            sleep(patience).await;
            *picture = still_for(hands, patience.min(LONG_PAUSE)).await?;
        }
        let [down, home, again, back] = pictures;
        if down != home && (down, home) == (again, back) {
            // With every key one late it looks the same, until nothing more comes.
            sleep(LONG_PAUSE).await;
            if hands.look().await? == home {
                return Ok(Some(home));
            }
        }
        sleep(PAUSE).await;
        patience = (patience * 3 / 2).min(PATIENT);
    }
    Ok(None)
}

/// The picture, when it stands still; what it is last, when it never does.
async fn still(hands: &mut impl Hands) -> io::Result<Picture> {
    still_for(hands, PAUSE).await
}

/// The same, when it has stood still for so long.
async fn still_for(hands: &mut impl Hands, long: Duration) -> io::Result<Picture> {
    let begun = Instant::now();
    let (mut before, mut since) = (hands.look().await?, begun);
    loop {
        sleep(PAUSE).await;
        let picture = hands.look().await?;
        if picture != before {
            (before, since) = (picture, Instant::now());
        }
        if since.elapsed() >= long || begun.elapsed() > RESTLESS {
            return Ok(picture);
        }
    }
}

/// The picture that comes in place of `before`, when it stands still.
async fn changed(hands: &mut impl Hands, before: Picture) -> io::Result<Option<Picture>> {
    let begun = Instant::now();
    while begun.elapsed() < UNSEEN {
        let picture = still(hands).await?;
        if picture != before {
            return Ok(Some(picture));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, collections::VecDeque, rc::Rc};

    /// A boot loader that begins to listen at a time, and takes keys late.
    struct Loader {
        begun: Instant,
        listens_after: Duration,
        lag: Duration,
        /// How many entries each menu has.
        menus: &'static [usize],
        keys: VecDeque<(Instant, Key)>,
        /// Where it is: the entries that were opened, and the one that is marked.
        opened: Vec<usize>,
        at: usize,
        is_deaf: bool,
        /// What its console says is counted there.
        heard: Rc<Heard>,
        /// How many keys it takes to go on from a message, before the entry is started.
        messages: usize,
        /// When the last menu was opened. It is drawn late, and loses keys until then.
        opened_at: Instant,
    }

    /// How long a menu is drawn: at first it is cleared, and nothing is seen of it.
    const DRAWN: Duration = Duration::from_millis(1500);

    impl Loader {
        fn new(menus: &'static [usize], listens_after: u64, lag: u64) -> Self {
            Self {
                begun: Instant::now(),
                listens_after: Duration::from_millis(listens_after),
                lag: Duration::from_millis(lag),
                menus,
                keys: VecDeque::new(),
                opened: vec![],
                at: 0,
                is_deaf: false,
                heard: Rc::default(),
                messages: 0,
                opened_at: Instant::now() - DRAWN,
            }
        }

        fn work(&mut self) {
            if self.begun.elapsed() < self.listens_after || self.is_deaf {
                return;
            }
            while let Some((pressed, key)) = self.keys.front()
                && pressed.elapsed() >= self.lag
                && let Some(entries) = self.menus.get(self.opened.len())
            {
                let is_lost = *pressed < self.opened_at + DRAWN;
                match key {
                    _ if is_lost => {}
                    Key::Enter
                        if self.opened.len() + 1 == self.menus.len() && self.messages > 0 =>
                    {
                        self.messages -= 1;
                    }
                    Key::Down => self.at = (self.at + 1).min(entries - 1),
                    Key::Home => self.at = 0,
                    Key::Enter => {
                        self.opened.push(self.at);
                        (self.at, self.opened_at) = (0, Instant::now());
                        if self.opened.len() == self.menus.len() {
                            self.heard.times.set(7);
                        }
                    }
                }
                self.keys.pop_front();
            }
        }
    }

    impl Hands for Rc<RefCell<Loader>> {
        fn press(&mut self, key: Key) -> io::Result<()> {
            let key = (Instant::now(), key);
            self.borrow_mut().keys.push_back(key);
            Ok(())
        }

        async fn look(&mut self) -> io::Result<Picture> {
            let loader = self.borrow();
            let opened = loader.opened.iter();
            let picture = opened.fold(1, |sum, entry| sum * 100 + entry);
            let is_drawn = loader.opened_at.elapsed() >= DRAWN;
            let picture = picture * 200 + 2 * loader.at + usize::from(is_drawn);
            Ok(Picture(picture as u64))
        }
    }

    fn way(steps: &[(usize, usize)]) -> Way {
        let step = |&(down, of)| Step {
            down,
            of,
            title: format!("entry {down}"),
        };
        Way(steps.iter().map(step).collect())
    }

    /// Time passes as soon as nobody does anything.
    fn run(
        loader: impl FnOnce() -> Loader,
        way: &Way,
        speaks_after: Option<u64>,
    ) -> (Chosen, Vec<usize>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async {
            let loader = Rc::new(RefCell::new(loader()));
            let heard = Rc::clone(&loader.borrow().heard);
            let begun = Instant::now();
            let works = async {
                loop {
                    loader.borrow_mut().work();
                    sleep(Duration::from_millis(10)).await;
                    if speaks_after.is_some_and(|after| begun.elapsed().as_secs() >= after) {
                        heard.kernel.set(true);
                    }
                }
            };
            let mut hands = Rc::clone(&loader);
            let chosen = tokio::select! {
                chosen = choose(way, &mut hands, &heard) => chosen,
                () = works => Chosen::Needless,
            };
            let opened = loader.borrow().opened.clone();
            (chosen, opened)
        })
    }

    #[test]
    fn the_way_is_gone_however_slow_a_loader_is() {
        let way = way(&[(1, 4), (7, 8), (0, 1)]);
        for (listens_after, lag) in [
            (0, 0),
            (9_000, 0),
            (3_000, 150),
            (20_000, 390),
            (1_000, 700),
            (5_000, 3_000),
        ] {
            let loader = || Loader::new(&[4, 8, 1], listens_after, lag);
            let run = run(loader, &way, None);
            assert_eq!(run, (Chosen::Yes, vec![1, 7, 0]), "{listens_after} {lag}");
        }
    }

    #[test]
    fn a_message_in_between_is_passed() {
        let way = way(&[(1, 2), (0, 1)]);
        let loader = || Loader {
            messages: 2,
            ..Loader::new(&[2, 1], 0, 0)
        };
        assert_eq!(run(loader, &way, None), (Chosen::Yes, vec![1, 0]));
        let silent = || Loader {
            messages: 100,
            ..Loader::new(&[2, 1], 0, 0)
        };
        assert!(matches!(run(silent, &way, None).0, Chosen::No(_)));
    }

    #[test]
    fn where_nothing_listens_it_gives_up() {
        let way = way(&[(1, 4), (0, 1)]);
        let deaf = || Loader {
            is_deaf: true,
            ..Loader::new(&[4, 1], 0, 0)
        };
        let (chosen, opened) = run(deaf, &way, None);
        assert!(matches!(chosen, Chosen::No(_)), "{chosen:?}");
        assert!(opened.is_empty());
        assert_eq!(run(deaf, &way, Some(5)), (Chosen::Needless, vec![]));
        // A menu with fewer entries than its text says.
        let (chosen, opened) = run(
            || Loader::new(&[3, 1], 0, 0),
            &self::way(&[(3, 4), (0, 1)]),
            None,
        );
        assert_eq!(
            chosen,
            Chosen::No("the selection did not reach `entry 3`".to_owned())
        );
        assert!(opened.is_empty());
    }
}
