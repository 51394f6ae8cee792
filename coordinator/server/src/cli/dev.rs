//! `sagamore dev`: a coordinator with nothing installed, and what to try with it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::settings::FILES_VARIABLE;
use crate::{Embedded, serve_embedded};

/// Where an embedded coordinator listens and keeps its data.
#[derive(Debug, Args)]
pub struct Dev {
    /// Where the API and the pages listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8083")]
    pub http: SocketAddr,
    /// Where the broker listens: loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5672")]
    pub amqp: SocketAddr,
    /// The directory that keeps executions, made when it is missing
    #[arg(long, value_name = "DIR", default_value = ".sagamore")]
    pub data: PathBuf,
    /// The directory that distributed Maps read items from, with a directory for each bucket
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
}

impl Dev {
    /// Runs until `stop`, having said what to open and what to try.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn run(
        self,
        environment: Vec<(String, String)>,
        out: &mut impl Write,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let environment = with_files(environment, self.files.as_deref());
        let embedded = Embedded::open(&self.data, self.http, self.amqp, environment).await?;
        let (http, amqp_url) = (embedded.http()?, embedded.amqp_url());
        self.tell(http, &amqp_url, out)?;
        serve_embedded(embedded, stop).await
    }

    fn tell(&self, http: SocketAddr, amqp_url: &str, out: &mut impl Write) -> io::Result<()> {
        let data = self.data.display();
        writeln!(
            out,
            "\
Sagamore runs here, with nothing but this process. Ctrl-C ends it; {data} keeps what runs.

  reviews   http://{http}/reviews
  API       http://{http}            that of Step Functions
  broker    {amqp_url}    for services in any language

Try it, with the AWS CLI:
  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL=http://{http}
  aws stepfunctions create-state-machine --name hello --role-arn arn:aws:iam::123456789012:role/any \\
    --definition '{{\"StartAt\":\"Ask\",\"States\":{{\"Ask\":{{\"Type\":\"Task\",\"Resource\":\"review:hello\",\"End\":true}}}}}}'
  aws stepfunctions start-execution --name first --input '{{\"who\":\"you\"}}' \\
    --state-machine-arn arn:aws:states:us-east-1:000000000000:stateMachine:hello
  sagamore watch hello:first --url http://{http}
Then decide on the reviews page.
"
        )
    }
}

/// The variables with the directory of files that the command line names, which wins.
pub fn with_files(
    mut environment: Vec<(String, String)>,
    files: Option<&Path>,
) -> Vec<(String, String)> {
    if let Some(files) = files {
        environment.retain(|(name, _)| name != FILES_VARIABLE);
        environment.push((FILES_VARIABLE.to_owned(), files.display().to_string()));
    }
    environment
}
