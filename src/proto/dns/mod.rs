//! DNS failover without I/O: the verdict on an endpoint, the answer that follows from the
//! verdicts, and the messages. Modelled on Route 53's failover records (Amazon Route 53
//! Developer Guide, "How Amazon Route 53 determines whether a health check is healthy" and
//! "How Amazon Route 53 chooses records when health checking is configured").

mod health;
mod message;
mod zone;

pub use health::{Health, Verdict};
pub use message::{AnswerError, query, read_answer};
pub use zone::Zone;
