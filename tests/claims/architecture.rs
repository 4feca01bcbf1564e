//! Claim: imports point down, each third-party crate is named where it belongs, and nobody writes `unsafe`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// Lines that are code, not comment or documentation.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn naming(folder: &str, word: &str) -> Vec<String> {
    let files = sources(folder).into_iter();
    let naming = files.filter(|(_, text)| code(text).any(|line| line.contains(word)));
    let mut names: Vec<String> =
        naming.map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn each_library_is_named_in_one_room() {
    // What networks need of their elements, other crates say in traits of theirs: those are in `scalar.rs`.
    assert_eq!(naming("src", "faer::"), ["affine.rs", "scalar.rs"]);
    assert_eq!(naming("src", "bytemuck::"), ["buffer.rs", "scalar.rs"]);
    assert_eq!(naming("src", "wide::"), ["scalar.rs"]);
    assert_eq!(naming("src", "use rand"), ["init.rs"]);
    assert_eq!(naming("src", "rayon::"), ["shards.rs"]);
    for word in ["clap::", "indicatif::", "plotters::", "serde_json::", "serde::", "flate2::"] {
        assert_eq!(naming("src", word), Vec::<String>::new(), "{word} belongs in experiments");
        assert_eq!(naming("kernels/src", word), Vec::<String>::new(), "{word} belongs in experiments");
    }
}

#[test]
fn kernels_know_nothing_above_them() {
    for word in ["eligibility::", "faer::", "rand::", "rayon::", "println!"] {
        assert_eq!(naming("kernels/src", word), Vec::<String>::new(), "{word}");
    }
}

/// What a file imports from a crate whose types no signature shows: the crate's name and the names imported.
fn foreign_names(text: &str) -> Vec<String> {
    const FOREIGN: [&str; 4] = ["faer", "bytemuck", "wide", "fearless_simd"];
    let code = code(text).collect::<Vec<_>>().join("\n");
    let imports =
        code.split("use ").skip(1).filter_map(|rest| rest.split_once(';')).map(|(import, _)| import);
    let imports =
        imports.filter(|import| FOREIGN.iter().any(|name| import.starts_with(&format!("{name}::"))));
    FOREIGN.into_iter().chain(imports.flat_map(words)).map(String::from).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The public traits of a file, each up to the brace at the start of a line. Those of modules inside it, which are the
/// private ones that seal them, are indented.
fn public_traits(text: &str) -> Vec<String> {
    let code = code(text).fold(String::from("\n"), |all, line| all + line + "\n");
    let ends = |public: &str| match public.split_once('\n') {
        Some((line, _)) if line.ends_with('}') => line.len(),
        _ => public.find("\n}").unwrap_or(public.len()),
    };
    code.split("\npub trait ").skip(1).map(|public| public[..ends(public)].into()).collect()
}

/// Bounds and associated types of public traits name no type of another crate: it could not change its version.
#[test]
fn public_traits_show_no_foreign_types() {
    let mut found = 0;
    for (path, text) in ["src", "kernels/src"].into_iter().flat_map(sources) {
        let foreign = foreign_names(&text);
        for public in public_traits(&text) {
            found += 1;
            let stray = words(&public).find(|word| foreign.iter().any(|name| name == word));
            assert_eq!(stray, None, "{}: pub trait {public}", path.display());
        }
    }
    assert!(found > 5, "only {found} public traits: are they still found?");
    let text = "use faer::traits::{A, B};\npub trait X: Y + A {}\npub trait Z {\n    type C: wide::D;\n}\n";
    assert_eq!(foreign_names(text)[4..], ["faer", "traits", "A", "B"]);
    assert_eq!(public_traits(text), ["X: Y + A {}", "Z {\n    type C: wide::D;"]);
}

/// A kernel imports the vocabulary and activation, never another kernel; the vocabulary, but for the twins, knows activation
/// alone. Whatever is not vocabulary is a kernel, and a file belongs to the module at the top of its path.
#[test]
fn kernels_do_not_import_each_other() {
    const VOCABULARY: [&str; 10] = [
        "instances",
        "lanes",
        "level",
        "lib",
        "planes",
        "quantized",
        "real",
        "recursion",
        "reference",
        "strided",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/src");
    let module = |path: &Path| -> String {
        let top = path.strip_prefix(&root).unwrap().components().next().unwrap().as_os_str();
        top.to_string_lossy().trim_end_matches(".rs").into()
    };
    let files: Vec<_> =
        sources("kernels/src").into_iter().map(|(path, text)| (module(&path), path, text)).collect();
    let modules = files.iter().map(|(module, ..)| module.as_str());
    let kernels: BTreeSet<&str> = modules.filter(|name| !VOCABULARY.contains(name)).collect();
    assert!(kernels.contains("activation") && kernels.contains("trace"), "kernels are {kernels:?}");
    for (module, path, text) in &files {
        let knows_all = ["instances", "lib", "reference"].contains(&module.as_str());
        for line in code(text).filter(|_| !knows_all) {
            for path_in_crate in line.split("crate::").skip(1) {
                // A group would hide names from this test.
                let imported = words(path_in_crate).next().filter(|_| !path_in_crate.starts_with('{'));
                let imported = imported.unwrap_or_else(|| panic!("{}: {line}", path.display()));
                let allowed = imported == module || imported == "activation" || !kernels.contains(imported);
                assert!(allowed, "{} imports {imported}", path.display());
            }
        }
    }
}

/// No crate that uses a kernel compiles it again: each says which method of its element type runs it.
#[test]
fn every_kernel_is_compiled_with_its_crate() {
    let mut found = 0;
    for (path, text) in sources("kernels/src") {
        let text = code(&text).collect::<Vec<_>>().join("\n");
        for implementation in text.split("Kernel<T> for ").skip(1) {
            let (name, head) = implementation.split("fn run<").next().unwrap().split_once(' ').unwrap();
            let says = head.contains("run_by!") || head.contains("fn at(");
            // It says how wide panels are, and sweeps over nothing.
            assert!(says || name == "PanelRows", "{}: {name}", path.display());
            found += 1;
        }
    }
    assert!(found > 30, "only {found} kernels: are they still found?");
}

/// The module a file is, as the names from the root down.
fn module_of(root: &Path, path: &Path) -> Vec<String> {
    let names = path.strip_prefix(root).unwrap().with_extension("");
    names.iter().map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "lib").collect()
}

/// What a file of a module names in its crate, as the names from the root down.
fn modules_named(module: &[String], text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in code(text) {
        for (start, parents) in [("crate::", module.len()), ("super::super::", 2), ("super::", 1)] {
            for rest in line.split(start).skip(1).filter(|_| parents <= module.len()) {
                // A group at the root would hide names from this test.
                assert!(start != "crate::" || !rest.starts_with('{'), "{module:?}: {line}");
                let path = rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap();
                let names = path.split("::").filter(|name| !name.is_empty()).map(String::from);
                found.push(module[..module.len() - parents].iter().cloned().chain(names).collect());
            }
        }
    }
    found
}

/// Which neighbours, modules of one parent, import which.
fn imports(root: &str) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let files: Vec<_> =
        sources(root).into_iter().map(|(path, text)| (module_of(&folder, &path), text)).collect();
    let modules: BTreeSet<&Vec<String>> = files.iter().map(|(module, _)| module).collect();
    let mut imports = BTreeMap::<_, BTreeSet<_>>::new();
    for (module, text) in &files {
        for named in modules_named(module, text) {
            let common = module.iter().zip(&named).take_while(|(a, b)| a == b).count();
            if common < module.len() && common < named.len() {
                let (from, to) = (module[..=common].to_vec(), named[..=common].to_vec());
                if modules.contains(&to) {
                    imports.entry(from).or_default().insert(to);
                }
            }
        }
    }
    imports
}

/// A circle of imports, if there is one: what is left when modules that import nothing are taken away, again and again.
fn circle(mut imports: BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> BTreeSet<Vec<String>> {
    loop {
        let left: BTreeSet<_> = imports.keys().cloned().collect();
        for imported in imports.values_mut() {
            imported.retain(|module| left.contains(module));
        }
        imports.retain(|_, imported| !imported.is_empty());
        if imports.len() == left.len() {
            return left;
        }
    }
}

/// Imports point down: no module reaches itself through what it imports, at no level of the tree.
#[test]
fn modules_do_not_import_each_other_in_circles() {
    let found = imports("src");
    assert!(found.len() > 10, "only {} modules import others", found.len());
    assert_eq!(circle(found), BTreeSet::new());
    let engine = |name: &str| ["learner", "engine", name].map(String::from).to_vec();
    assert!(imports("src")[&engine("tape")].contains(&engine("layer")), "imports of neighbours are not seen");
    let name = |name: &str| vec![String::from(name)];
    let two = [(name("a"), BTreeSet::from([name("b")])), (name("b"), BTreeSet::from([name("a")]))];
    assert_eq!(circle(BTreeMap::from(two)), BTreeSet::from([name("a"), name("b")]));
}

/// Optimisers and layout know no learner; learners know no optimiser: they meet in a training loop.
#[test]
fn cell_learner_and_optimiser_meet_only_in_a_training_loop() {
    for (file, forbidden) in [
        ("optimizer.rs", &["crate::learner", "crate::sequences", "crate::lstm"][..]),
        ("layout.rs", &["crate::learner", "crate::optimizer", "crate::sequences"]),
        ("cells.rs", &["crate::learner", "crate::optimizer", "crate::network"]),
        ("readout.rs", &["crate::learner", "crate::optimizer"]),
    ] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap();
        for word in forbidden {
            assert!(!code(&text).any(|line| line.contains(word)), "{file} imports {word}");
        }
    }
    for (folder, forbidden) in [
        ("src/learner", &["crate::optimizer"][..]),
        ("src/cells", &["crate::learner", "crate::optimizer", "crate::network"]),
    ] {
        for ((path, text), word) in
            sources(folder).iter().flat_map(|file| forbidden.iter().map(move |&w| (file, w)))
        {
            assert!(!code(text).any(|line| line.contains(word)), "{} imports {word}", path.display());
        }
    }
}

#[test]
fn nobody_writes_unsafe() {
    for folder in ["src", "kernels/src", "experiments/src", "tests"] {
        for (path, text) in sources(folder) {
            let stray = code(&text).find(|line| line.contains(concat!("unsafe", " ")));
            assert_eq!(stray, None, "{}", path.display());
        }
    }
}
