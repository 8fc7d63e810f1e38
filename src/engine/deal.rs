//! The trials of one series, dealt to several labs: whoever takes a number first has it. A number
//! taken is an empty file, so that processes that know nothing of each other but a directory
//! agree, and nothing is lost with any of them. In it is the number of the lab that took it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::init::RunDir;

/// What a lab is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dealt {
    /// The directory of the numbers taken.
    pub directory: PathBuf,
    /// Which of the labs this is, from 1.
    pub lab: u32,
}

/// A series' numbers, as one lab sees them.
#[derive(Debug)]
pub struct Deal {
    taken: RunDir,
    lab: u32,
}

/// Nobody takes another number.
const STOP: &str = "stop";

impl Deal {
    /// Opens what the command has laid out.
    ///
    /// # Errors
    /// The directory is not there.
    pub fn open(dealt: &Dealt) -> io::Result<Self> {
        Ok(Self {
            taken: RunDir::open(&dealt.directory)?,
            lab: dealt.lab,
        })
    }

    /// Takes the next number of `1..=trials`; `None`: there is none for this lab.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn next(&self, trials: u32) -> io::Result<Option<u32>> {
        let directory = self.taken.path();
        let stops = [STOP.to_owned(), stop_of(self.lab)];
        if stops.iter().any(|stop| directory.join(stop).exists()) {
            return Ok(None);
        }
        take_next(&directory, trials, self.lab)
    }
}

/// The command's side: what it lays out, takes and stops.
#[derive(Debug)]
pub struct Dealer {
    directory: PathBuf,
    trials: u32,
}

impl Dealer {
    /// Lays out a new deal of `1..=trials` in `directory`, of which some are `done`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn lay_out(
        directory: PathBuf,
        trials: u32,
        done: impl Iterator<Item = u32>,
    ) -> io::Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        for number in done {
            File::create(directory.join(name_of(number)))?;
        }
        Ok(Self { directory, trials })
    }

    /// What lab number `lab` is told.
    pub fn told(&self, lab: u32) -> Dealt {
        Dealt {
            directory: self.directory.clone(),
            lab,
        }
    }

    /// Takes a number for a lab that is about to begin; `None`: all are taken.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn take(&self) -> io::Result<Option<u32>> {
        take_next(&self.directory, self.trials, 0)
    }

    /// The numbers that lab number `lab` has taken by itself.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn taken_by(&self, lab: u32) -> io::Result<BTreeSet<u32>> {
        let mut taken = BTreeSet::new();
        for number in 1..=self.trials {
            match fs::read_to_string(self.directory.join(name_of(number))) {
                Ok(text) if text == lab.to_string() => drop(taken.insert(number)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Lets a number be taken again.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn give_back(&self, number: u32) -> io::Result<()> {
        fs::remove_file(self.directory.join(name_of(number)))
    }

    /// Whether a number is left.
    pub fn has_more(&self) -> bool {
        (1..=self.trials).any(|number| !self.directory.join(name_of(number)).exists())
    }

    /// Every lab ends after the trial it is at.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn stop(&self) -> io::Result<()> {
        File::create(self.directory.join(STOP)).map(drop)
    }

    /// Lab number `lab` does.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn stop_lab(&self, lab: u32) -> io::Result<()> {
        File::create(self.directory.join(stop_of(lab))).map(drop)
    }

    /// Takes the directory away.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn clear(self) -> io::Result<()> {
        fs::remove_dir_all(self.directory)
    }
}

fn name_of(number: u32) -> String {
    format!("{number:06}")
}

fn stop_of(lab: u32) -> String {
    format!("{STOP}-{lab}")
}

/// A number taken says by which lab; by none while the command holds it.
fn take_next(directory: &Path, trials: u32, lab: u32) -> io::Result<Option<u32>> {
    for number in 1..=trials {
        match File::create_new(directory.join(name_of(number))) {
            Ok(mut file) => {
                if lab > 0 {
                    write!(file, "{lab}")?;
                }
                return Ok(Some(number));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_dealt_once_and_a_lab_that_is_stopped_takes_no_more() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("deal");
        let dealer = Dealer::lay_out(directory.clone(), 6, [2, 5].into_iter()).unwrap();
        assert_eq!(dealer.take().unwrap(), Some(1));
        let labs = [1, 2].map(|lab| Deal::open(&dealer.told(lab)).unwrap());
        assert_eq!(labs[0].next(6).unwrap(), Some(3));
        dealer.stop_lab(1).unwrap();
        assert_eq!(labs[0].next(6).unwrap(), None);
        assert_eq!(labs[1].next(6).unwrap(), Some(4));
        dealer.stop().unwrap();
        assert_eq!(labs[1].next(6).unwrap(), None);

        // What a lab did not bring to an end another may take.
        assert_eq!(dealer.taken_by(1).unwrap(), [3].into());
        assert_eq!(dealer.taken_by(2).unwrap(), [4].into());
        dealer.give_back(3).unwrap();
        assert!(dealer.has_more());
        assert_eq!(dealer.take().unwrap(), Some(3));

        // A new deal knows nothing of the one before.
        let again = Dealer::lay_out(directory.clone(), 3, [1, 3].into_iter()).unwrap();
        let lab = Deal::open(&again.told(1)).unwrap();
        assert_eq!(lab.next(3).unwrap(), Some(2));
        assert_eq!(lab.next(3).unwrap(), None);
        again.clear().unwrap();
        assert!(!directory.exists());
    }
}
