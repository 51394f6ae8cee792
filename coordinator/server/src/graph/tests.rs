use super::*;

fn picture(states: &str) -> Picture {
    let definition = format!(r#"{{"StartAt":"A","States":{{{states}}}}}"#);
    let (machine, _) = Machine::parse(&definition).unwrap();
    Picture::of(&machine)
}

#[test]
fn a_machine_is_written_as_a_flowchart_with_its_undos_dashed() {
    let picture = picture(
        r#""A":{"Type":"Task","Resource":"queue:a","Compensate":{"Resource":"queue:undo-a"},
            "Catch":[{"ErrorEquals":["States.ALL"],"Compensate":true,"Next":"C"}],"Next":"B"},
        "B":{"Type":"Choice","Choices":[{"And":[{"Variable":"$.n","NumericGreaterThan":1},
            {"Not":{"Variable":"$.m","IsNull":true}}],"Next":"A"}],"Default":"D"},
        "C":{"Type":"Fail"},
        "D":{"Type":"Map","ItemProcessor":{"StartAt":"E","States":{"E":{"Type":"Task","Resource":"saga:e","End":true}}},"End":true}"#,
    );
    let expected = r##"flowchart TB
    s1["A<br/>queue:a"]
    s1 -. undo .-> s1u(["queue:undo-a"]):::undo
    s2{{"B"}}
    s3["C"]
    class s3 fail
    subgraph s4["D<br/>for each item"]
      subgraph s4b0[" "]
        s5[["E<br/>saga:e"]]
      end
    end
    s1 --> s2
    s1 -- "⚡ any error, undone" --> s3
    s2 -- "$.n #62; 1 and not $.m is null" --> s1
    s2 -- "otherwise" --> s4
    s4 --> done(((" ")))
    start((" ")) --> s1
    classDef undo stroke-dasharray: 4 3
    classDef fail stroke:#c0392b
"##;
    assert_eq!(mermaid(&picture), expected);
}

#[test]
fn what_a_name_holds_stays_text() {
    let name = r#"</text><script>"&#;`"#;
    let json = serde_json::Value::from(name);
    let states = format!(
        r#""A":{{"Type":"Pass","Next":{json}}},{json}:{{"Type":"Task","Resource":"queue:</svg>","End":true}}"#
    );
    let picture = picture(&states);
    let svg = svg(&picture, "</title>").unwrap();
    assert!(!svg.contains("<script"), "{svg}");
    assert_eq!(svg.matches("</svg>").count(), 1);
    assert!(svg.contains("<title>&lt;/title&gt;</title>"), "{svg}");
    let mermaid = mermaid(&picture);
    assert!(
        mermaid.contains(
            r##"s2["#60;/text#62;#60;script#62;#34;#38;#35;#59;#96;<br/>queue:#60;/svg#62;"]"##
        ),
        "{mermaid}"
    );
}

#[test]
fn an_undo_stands_at_the_end_of_a_dashed_line() {
    let with = picture(
        r#""A":{"Type":"Task","Resource":"queue:a","Compensate":{"Resource":"queue:b"},"End":true}"#,
    );
    let drawn = svg(&with, "t").unwrap();
    assert_eq!(drawn.matches("<g class=\"undo\">").count(), 1);
    assert!(
        drawn.contains("<title>undone by queue:b</title>"),
        "{drawn}"
    );
    let without = picture(r#""A":{"Type":"Task","Resource":"queue:a","End":true}"#);
    assert!(!svg(&without, "t").unwrap().contains("<g class=\"undo\">"));
}

#[test]
fn a_machine_that_no_picture_shows_is_refused() {
    let state = |number: usize| format!(r#""{number}":{{"Type":"Pass","Next":"{}"}}"#, number + 1);
    let mut states = vec![r#""A":{"Type":"Pass","Next":"0"}"#.to_owned()];
    states.extend((0..1_000).map(state));
    states.push(r#""1000":{"Type":"Succeed"}"#.to_owned());
    let refused = svg(&picture(&states.join(",")), "t").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the machine has 1002 states, and a picture shows 1000 at most; --format mermaid writes any number"
    );
}
