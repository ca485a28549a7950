//! What is executed for a launch, and who says so.

use std::fmt;
use std::path::PathBuf;

use futures::future::BoxFuture;
use secrecy::SecretString;

use super::Launch;

/// What to execute. Built for each launch anew and dropped after it.
#[derive(Clone)]
pub struct Plan {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub args: Vec<String>,
    /// Its whole environment: nothing is inherited.
    pub env: Vec<(String, SecretString)>,
    /// Variables that are never in its environment: it finds them on descriptor 3, in the memory file that
    /// [`handover`](super::handover) describes.
    pub sealed: Vec<(String, SecretString)>,
    /// Its working directory, which is made if it is missing.
    pub cwd: PathBuf,
    /// The directory for `stdout.log` and `stderr.log`, which is made if it is missing.
    pub log_dir: PathBuf,
    /// What it needs of the file system where it is isolated.
    pub reach: Reach,
}

/// What a program needs of the file system, beside itself and the system's own programs and libraries. Counts where
/// the launcher isolates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Absolute paths that it reads and executes, such as its scripts.
    pub readable: Vec<PathBuf>,
    /// Absolute paths of directories that are its own: made if they are missing, and given to its user.
    pub writable: Vec<PathBuf>,
}

impl fmt::Debug for Plan {
    /// Shows no argument and no environment value: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("program", &self.program)
            .field("args", &self.args.len())
            .field("env", &self.env.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("sealed", &self.sealed.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("cwd", &self.cwd)
            .field("log_dir", &self.log_dir)
            .field("reach", &self.reach)
            .finish()
    }
}

/// Why there is no plan. The words reach the owner and hold no secret.
///
/// ```
/// use minimcp_actors::launch::{LaunchError, NoPlan};
///
/// let missing = LaunchError::from(NoPlan::Never("the script is gone".into()));
/// assert!(matches!(missing, LaunchError::Unstartable(_)), "another try would be no better");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// There is none until something changes: the instance ends as failed.
    #[error("{0}")]
    Never(String),
    /// There is none at the moment: it is tried again like any start that failed.
    #[error("{0}")]
    NotNow(String),
}

/// Something that has to be over before a run is worth a start, such as the installation of its program.
pub struct Wait {
    /// What is going on, for the owner.
    pub words: String,
    /// Resolves once it is over, however it went: whether the run can start now is for its plan to say.
    pub over: BoxFuture<'static, ()>,
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wait").field(&self.words).finish()
    }
}

/// Says what to execute for a launch.
///
/// ```
/// use minimcp_actors::launch::{Launch, NoPlan, Plan, Planner, Reach};
/// use minimcp_actors::state::Run;
///
/// /// Echoes which run it is.
/// #[derive(Debug)]
/// struct Echo;
///
/// impl Planner for Echo {
///     fn plan(&self, launch: &Launch) -> Result<Plan, NoPlan> {
///         let mut plan = Plan {
///             program: "/bin/echo".into(),
///             args: vec![launch.run.to_string()],
///             env: Vec::new(),
///             sealed: Vec::new(),
///             cwd: "/".into(),
///             log_dir: "/tmp/echo".into(),
///             reach: Reach::default(),
///         };
///         plan.env.push(("LANG".into(), "C.UTF-8".to_owned().into()));
///         Ok(plan)
///     }
/// }
///
/// let launch = Launch { id: uuid::Uuid::nil(), run: Run(2), port: None, nonce: String::new() };
/// assert_eq!(Echo.plan(&launch)?.args, ["2"]);
/// # Ok::<(), NoPlan>(())
/// ```
pub trait Planner: Send + Sync + fmt::Debug {
    /// The plan of one launch. Called on a thread that may block.
    ///
    /// # Errors
    /// [`NoPlan`] says whether it is worth another try.
    fn plan(&self, launch: &Launch) -> Result<Plan, NoPlan>;

    /// What a start has to wait for, if it does. Meanwhile it holds no place among the starts under way, no port
    /// and no budget. Called by the supervisor, so it must not block.
    fn wait(&self) -> Option<Wait> {
        None
    }
}

/// A plan that is the same for each launch. The port, if there is one, is handed over as `PORT`.
impl Planner for Plan {
    fn plan(&self, launch: &Launch) -> Result<Plan, NoPlan> {
        let mut plan = self.clone();
        if let Some(port) = launch.port {
            plan.env.push(("PORT".into(), port.to_string().into()));
        }
        Ok(plan)
    }
}
