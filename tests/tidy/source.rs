//! The files of the workspace, and which of their lines are tests.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// A text file of the workspace.
#[derive(Debug)]
pub struct Source {
    /// From the root of the workspace, with `/`.
    pub path: String,
    pub lines: Vec<Line>,
}

/// A line of a file.
#[derive(Debug)]
pub struct Line {
    pub text: String,
    /// Whether it belongs to a test: it lies in a file of tests or under `#[cfg(test)]`.
    pub test: bool,
}

/// Reads the Rust files and manifests of a workspace: those that git tracks or would track or,
/// outside a repository, all but what is hidden or built.
pub fn walk(root: &Path) -> io::Result<Vec<Source>> {
    let mut paths = Vec::new();
    if let Some(listed) = listed_by_git(root) {
        paths = listed;
    } else {
        collect(root, "", &mut paths)?;
    }
    paths.sort();
    let mut sources: Vec<Source> = paths
        .into_iter()
        .filter(|path| path.ends_with(".rs") || path.ends_with("Cargo.toml"))
        // A file that is deleted but not committed is still listed.
        .filter(|path| root.join(path).is_file())
        .map(|path| Ok(Source::new(&path, &fs::read_to_string(root.join(&path))?)))
        .collect::<io::Result<_>>()?;
    mark_modules_of_tests(&mut sources);
    Ok(sources)
}

/// Marks the files of modules that are declared under `#[cfg(test)]`.
fn mark_modules_of_tests(sources: &mut [Source]) {
    let declared: Vec<String> = sources.iter().flat_map(Source::modules_of_tests).collect();
    for source in sources {
        let is_of = |module: &String| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        if declared.iter().any(is_of) {
            source.lines.iter_mut().for_each(|line| line.test = true);
        }
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let paths = String::from_utf8(output.stdout).ok()?;
    Some(paths.split_terminator('\0').map(String::from).collect())
}

fn collect(root: &Path, directory: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        let path = if directory.is_empty() {
            name
        } else {
            format!("{directory}/{name}")
        };
        if entry.file_type()?.is_dir() {
            collect(root, &path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

impl Source {
    /// Splits a text into lines and marks those that are tests.
    pub fn new(path: &str, text: &str) -> Self {
        let all = is_of_tests(path);
        let mut lines: Vec<Line> = text
            .lines()
            .map(|text| Line {
                text: text.into(),
                test: all,
            })
            .collect();
        let marks = (0..lines.len()).filter(|&at| lines[at].text.trim() == "#[cfg(test)]");
        for mark in marks.collect::<Vec<_>>() {
            let end = item_end(&lines, mark + 1).unwrap_or(lines.len() - 1);
            for line in &mut lines[mark..=end] {
                line.test = true;
            }
        }
        Self {
            path: path.into(),
            lines,
        }
    }

    /// The modules that are tests and lie in files of their own: paths without their ending.
    fn modules_of_tests(&self) -> Vec<String> {
        let (directory, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let inside = match file {
            "lib.rs" | "main.rs" | "mod.rs" => directory.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let tests = self.lines.iter().filter(|line| line.test);
        let names =
            tests.filter_map(|line| line.code().trim().strip_prefix("mod ")?.strip_suffix(';'));
        names.map(|name| format!("{inside}/{name}")).collect()
    }

    /// Whether it is written in Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

impl Line {
    /// The line without its comment.
    pub fn code(&self) -> &str {
        // What follows a space is a comment, what follows a colon an address.
        let comment = if self.text.starts_with("//") {
            Some(0)
        } else {
            self.text.find(" //")
        };
        comment.map_or(self.text.as_str(), |start| &self.text[..start])
    }

    /// How far it is indented, in spaces.
    pub fn indentation(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }
}

/// The last line of the item that begins at a line: the first at the same indentation that closes a
/// brace or ends a statement. rustfmt makes that reliable.
pub fn item_end(lines: &[Line], begin: usize) -> Option<usize> {
    let indentation = lines.get(begin)?.indentation();
    (begin..lines.len()).find(|&at| {
        let code = lines[at].code().trim();
        let closes = code.starts_with('}') || (at == begin && code.ends_with('}'));
        lines[at].indentation() == indentation && (closes || code.ends_with(';'))
    })
}

/// What `cargo verify` itself is made of lies among the tests but is a program.
fn is_of_tests(path: &str) -> bool {
    let in_tests = path.starts_with("tests/") || path.contains("/tests/");
    (in_tests && !path.starts_with("tests/verify/src/")) || path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[usize]) {
        let source = Source::new(path, text);
        let tests: Vec<usize> = (1..)
            .zip(&source.lines)
            .filter(|(_, l)| l.test)
            .map(|(n, _)| n)
            .collect();
        assert_eq!(tests, expected);
    }

    #[test]
    fn a_module_of_tests_ends_with_its_brace() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        check("coordinator/x/src/a.rs", text, &[2, 3, 4, 5, 6]);
    }

    #[test]
    fn an_import_for_tests_hides_no_code() {
        let text = "#[cfg(test)]\nuse a::{\n    b,\n};\nfn c() {}\n";
        check("coordinator/x/src/a.rs", text, &[1, 2, 3, 4]);
        check(
            "coordinator/x/src/a.rs",
            "#[cfg(test)]\nmod tests;\nfn c() {}\n",
            &[1, 2],
        );
    }

    #[test]
    fn files_of_tests_are_tests() {
        check("tests/store/main.rs", "fn a() {}\n", &[1]);
        check("services/loan/tests/saga.rs", "fn a() {}\n", &[1]);
        check("coordinator/x/src/a/tests.rs", "fn a() {}\n", &[1]);
        check("tests/verify/src/main.rs", "fn a() {}\n", &[]);
    }

    #[test]
    fn a_module_declared_for_tests_is_a_test() {
        let text = "#[cfg(test)]\nmod hostile;\nmod kind;\n";
        let mut sources = ["mod.rs", "hostile.rs", "hostile/deep.rs", "kind.rs"]
            .map(|file| Source::new(&format!("a/src/b/{file}"), text));
        mark_modules_of_tests(&mut sources);
        assert_eq!(
            sources.map(|source| source.lines[2].test),
            [false, true, true, false]
        );
    }

    #[test]
    fn an_address_is_no_comment() {
        let code = |text: &str| Source::new("a.rs", text).lines[0].code().to_owned();
        assert_eq!(code("let a = \"amqp://b\"; // c"), "let a = \"amqp://b\";");
        assert_eq!(code("//! unwrap()"), "");
    }
}
