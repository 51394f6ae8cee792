//! Which broker these tests are against.

use std::sync::LazyLock;
use std::sync::mpsc;
use std::thread;

use sagamore_dev_broker::{Broker, Settings};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// The address of a development broker that all tests of this process share. It has a thread of its own: the runtime of
/// a test ends with the test.
pub fn url() -> String {
    static URL: LazyLock<String> = LazyLock::new(|| {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let address = "127.0.0.1:0".parse().unwrap();
                let broker = Broker::bind(address, Settings::default()).await.unwrap();
                tell.send(broker.url()).unwrap();
                broker.run(CancellationToken::new()).await;
            });
        });
        told.recv().expect("a development broker listens")
    });
    URL.clone()
}
