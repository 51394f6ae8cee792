//! Pictures of random sagas.

use anyhow::{Context as _, Result, ensure};
use sagamore::graph::{Picture, mermaid, svg};
use sagamore_interpreter::definition::Machine;
use sagamore_tests::Random;
use sagamore_tests::saga::{Choices, definition};

#[test]
fn every_saga_has_a_picture_that_shows_all_of_it() -> Result<()> {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let bytes: Vec<u8> = (0..80).map(|_| random.below(256) as u8).collect();
        let definition = definition(&mut Choices(&bytes)).to_string();
        shown(&definition).with_context(|| format!("seed {seed}: {definition}"))?;
    }
    Ok(())
}

fn shown(definition: &str) -> Result<()> {
    let (machine, _) =
        Machine::parse(definition).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let picture = Picture::of(&machine);
    ensure!(
        picture.states() == machine.states().count(),
        "some states are not reached"
    );
    let (svg, mermaid) = (svg(&picture, "saga")?, mermaid(&picture));
    for state in machine.states() {
        let name = state.name.as_str();
        ensure!(
            svg.contains(&format!(">{name}</text>")),
            "the SVG lacks {name}"
        );
        ensure!(
            mermaid.contains(&format!("\"{name}")),
            "the Mermaid text lacks {name}"
        );
    }
    ensure!(
        !svg.contains("NaN") && !svg.contains("inf"),
        "a place is no number"
    );
    Ok(())
}
