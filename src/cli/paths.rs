//! Where bellboard's files are: as named, or where XDG puts them.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use crate::cli::args::Globals;
use crate::cli::failure::Failure;

/// The folder of ours in each of XDG's.
const FOLDER: &str = "bellboard";

/// The files of this run.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The database.
    pub database: PathBuf,
    /// The config file.
    pub config: PathBuf,
    /// Whether somebody named the config file, so that it must be there.
    pub config_named: bool,
    /// What the console keeps from one start to the next.
    pub memory: PathBuf,
    /// The folder for what consoles write to files.
    pub exports: PathBuf,
    /// The log file of consoles.
    pub log: PathBuf,
    /// Whether the environment has no say, as under `--restricted`: it is partly of who came in.
    pub restricted: bool,
}

impl Paths {
    /// What the options and the environment say.
    ///
    /// # Errors
    /// When something is not named and there is no home folder to look in.
    pub fn new(globals: &Globals) -> Result<Self, Failure> {
        let restricted = globals.restricted;
        let xdg = etcetera::choose_base_strategy().ok().filter(|_| !restricted);
        let beneath = |folder: Option<PathBuf>, file: &str| folder.map(|folder| folder.join(FOLDER).join(file));
        let homeless = || Failure::usage("there is no home folder; set HOME, or name the files with --db and --config");
        let database = globals
            .db
            .clone()
            .or_else(|| beneath(xdg.as_ref().map(BaseStrategy::data_dir), "bellboard.db"))
            .ok_or_else(homeless)?;
        let config = globals
            .config
            .clone()
            .or_else(|| beneath(xdg.as_ref().map(BaseStrategy::config_dir), "config.toml"))
            .ok_or_else(homeless)?;
        let log = beneath(xdg.as_ref().and_then(BaseStrategy::state_dir), "bellboard.log")
            .unwrap_or_else(|| database.with_extension("log"));
        let memory = beneath(xdg.as_ref().and_then(BaseStrategy::state_dir), "console.json")
            .unwrap_or_else(|| database.with_extension("console.json"));
        let exports = beneath(xdg.as_ref().map(BaseStrategy::data_dir), "exports")
            .unwrap_or_else(|| database.with_file_name("exports"));
        Ok(Self { memory, exports, database, config, config_named: globals.config.is_some(), log, restricted })
    }
}
