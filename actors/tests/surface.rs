//! What the crate promises to those who embed it: every public item, one per line, in `surface.txt`.
//!
//! The list is made from the source, since rustdoc tells it on nightly compilers only. A change of the list is a
//! change for every program that uses the crate; `MINIMCP_TEST_UPDATE=1` writes it anew. Where a public item lies
//! in a private module, it is public by a `pub use`, or the lint `unreachable_pub` would say so; so each is listed
//! where it is written, and each `pub use` too.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::{Attribute, Fields, ImplItem, Item, Meta, TraitItem, Visibility};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The list of one file and all modules below it.
#[derive(Default)]
struct Surface {
    lines: BTreeSet<String>,
    /// The public types by name.
    types: BTreeSet<String>,
    /// What types have, by the name of the type: counts if that is public.
    of_types: Vec<(String, String)>,
}

impl Surface {
    /// Every line, in order.
    fn lines(mut self) -> Vec<String> {
        let types = self.types;
        self.lines
            .extend(self.of_types.into_iter().filter(|(of, _)| types.contains(of)).map(|(_, line)| line));
        self.lines.into_iter().collect()
    }

    fn file(&mut self, file: &Path, dir: &Path, path: &str) {
        let text = std::fs::read_to_string(file).unwrap();
        self.items(syn::parse_file(&text).unwrap().items, dir, path);
    }

    fn items(&mut self, items: Vec<Item>, dir: &Path, path: &str) {
        for item in items {
            self.item(item, dir, path);
        }
    }

    fn item(&mut self, item: Item, dir: &Path, path: &str) {
        match item {
            Item::Mod(module) if !is_test(&module.attrs) => {
                let name = module.ident.to_string();
                let inner = format!("{path}::{name}");
                if is_public(&module.vis) {
                    self.lines.insert(format!("{inner}: mod{}", feature(&module.attrs)));
                }
                match module.content {
                    Some((_, items)) => self.items(items, &dir.join(name), &inner),
                    None => {
                        let beside = dir.join(format!("{name}.rs"));
                        let file = if beside.is_file() { beside } else { dir.join(&name).join("mod.rs") };
                        self.file(&file, &dir.join(name), &inner);
                    }
                }
            }
            Item::Impl(block) => self.block(block, path),
            Item::Trait(mut item) if is_public(&item.vis) => {
                item.attrs.clear();
                let parts = std::mem::take(&mut item.items);
                self.add(path, Item::Trait(item.clone()), "");
                for part in parts {
                    let provided = matches!(&part, TraitItem::Fn(method) if method.default.is_some());
                    let part = match part {
                        TraitItem::Fn(mut method) => {
                            method.default = None;
                            TraitItem::Fn(syn::TraitItemFn { attrs: Vec::new(), ..method })
                        }
                        part => part,
                    };
                    let whole = syn::ItemTrait { items: vec![part], ..item.clone() };
                    let note = if provided { " (provided)" } else { "" };
                    self.add(path, Item::Trait(whole), note);
                }
            }
            Item::Struct(mut item) if is_public(&item.vis) => {
                self.types.insert(item.ident.to_string());
                let open = is_open(&item.fields);
                strip(&mut item.fields);
                item.attrs = kept(&item.attrs);
                let note = if open { "" } else { " (has private fields)" };
                self.add(path, Item::Struct(item), note);
            }
            Item::Enum(mut item) if is_public(&item.vis) => {
                self.types.insert(item.ident.to_string());
                item.attrs = kept(&item.attrs);
                for variant in &mut item.variants {
                    variant.attrs.clear();
                    variant.fields.iter_mut().for_each(|field| field.attrs.clear());
                }
                self.add(path, Item::Enum(item), "");
            }
            Item::Fn(mut item) if is_public(&item.vis) => {
                item.attrs.clear();
                item.block.stmts.clear();
                self.add(path, Item::Fn(item), "");
            }
            Item::Const(mut item) if is_public(&item.vis) => {
                item.attrs.clear();
                self.add(path, Item::Const(item), "");
            }
            Item::Type(mut item) if is_public(&item.vis) => {
                item.attrs.clear();
                self.add(path, Item::Type(item), "");
            }
            Item::Use(mut item) if is_public(&item.vis) => {
                item.attrs.clear();
                self.add(path, Item::Use(item), "");
            }
            Item::Macro(item) => {
                let public = item.attrs.iter().any(|attr| attr.path().is_ident("macro_export"));
                assert!(!public, "{path}: this test knows no public macros yet");
            }
            Item::Static(item) => assert!(!is_public(&item.vis), "{path}: this test knows no statics yet"),
            _ => {}
        }
    }

    /// The public methods of a type, and the traits it has by hand.
    fn block(&mut self, mut block: syn::ItemImpl, path: &str) {
        if is_test(&block.attrs) {
            return;
        }
        block.attrs.clear();
        let of =
            name_of(&block.self_ty).unwrap_or_else(|| panic!("{path}: an implementation for what type?"));
        let items = std::mem::take(&mut block.items);
        if block.trait_.is_some() {
            // What the methods are is the trait's word; what its types are is ours.
            block.items = items.into_iter().filter(|item| matches!(item, ImplItem::Type(_))).collect();
            self.of_types.push((of, line(path, Item::Impl(block), "")));
            return;
        }
        for item in items {
            let item = match item {
                ImplItem::Fn(mut method) if is_public(&method.vis) => {
                    method.attrs.clear();
                    method.block.stmts.clear();
                    ImplItem::Fn(method)
                }
                ImplItem::Const(mut item) if is_public(&item.vis) => {
                    item.attrs.clear();
                    ImplItem::Const(item)
                }
                _ => continue,
            };
            let whole = syn::ItemImpl { items: vec![item], ..block.clone() };
            self.of_types.push((of.clone(), line(path, Item::Impl(whole), "")));
        }
    }

    fn add(&mut self, path: &str, item: Item, note: &str) {
        self.lines.insert(line(path, item, note));
    }
}

fn name_of(of: &syn::Type) -> Option<String> {
    match of {
        syn::Type::Path(of) => of.path.segments.last().map(|last| last.ident.to_string()),
        syn::Type::Reference(of) => name_of(&of.elem),
        _ => None,
    }
}

fn line(path: &str, item: Item, note: &str) -> String {
    let file = syn::File { shebang: None, attrs: Vec::new(), items: vec![item] };
    let text = prettyplease::unparse(&file);
    format!("{path}: {}{note}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        matches!(&attribute.meta, Meta::List(list)
            if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}

/// The feature behind which an item is.
fn feature(attributes: &[Attribute]) -> String {
    let of = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => Some(format!(" ({})", list.tokens)),
        _ => None,
    };
    attributes.iter().find_map(of).unwrap_or_default()
}

/// What of the attributes a user of the item notices.
fn kept(attributes: &[Attribute]) -> Vec<Attribute> {
    let noticed = |attribute: &&Attribute| {
        attribute.path().is_ident("derive") || attribute.path().is_ident("non_exhaustive")
    };
    attributes.iter().filter(noticed).cloned().collect()
}

fn is_open(fields: &Fields) -> bool {
    fields.iter().all(|field| is_public(&field.vis))
}

/// Leaves the public fields, without their words. Tuples keep their places.
fn strip(fields: &mut Fields) {
    match fields {
        Fields::Named(named) => {
            let fields = std::mem::take(&mut named.named);
            named.named = fields.into_iter().filter(|field| is_public(&field.vis)).collect();
        }
        Fields::Unnamed(unnamed) if !unnamed.unnamed.iter().any(|field| is_public(&field.vis)) => {
            unnamed.unnamed.clear();
        }
        Fields::Unnamed(_) | Fields::Unit => {}
    }
    fields.iter_mut().for_each(|field| field.attrs.clear());
}

#[test]
fn the_public_surface_is_as_it_is_written_down() {
    let mut surface = Surface::default();
    surface.file(&root().join("src/lib.rs"), &root().join("src"), "minimcp_actors");
    let now = surface.lines();
    assert!(now.len() > 200, "the source was read: {}", now.len());
    let file = root().join("tests/surface.txt");
    if std::env::var_os("MINIMCP_TEST_UPDATE").is_some() {
        std::fs::write(&file, now.join("\n") + "\n").unwrap();
        return;
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let written: Vec<&str> = text.lines().collect();
    let gone: Vec<&&str> = written.iter().filter(|line| !now.iter().any(|item| item == *line)).collect();
    let new: Vec<&String> = now.iter().filter(|line| !written.contains(&line.as_str())).collect();
    let told = "is public and not written down, or the reverse; MINIMCP_TEST_UPDATE=1 writes the list anew";
    assert!(gone.is_empty() && new.is_empty(), "{told}\n- {gone:#?}\n+ {new:#?}");
}

/// A crate in small.
const SAMPLE: &str = "
    mod inner { pub struct A { pub one: u8, two: u8 } impl A { pub fn f(&self) {} fn g() {} } }
    pub use inner::A; pub enum E { V } pub trait T { fn m(&self); } fn private() {}";

#[test]
fn the_list_sees_what_users_notice_in_private_modules_too_and_nothing_else() {
    let listed = |text: &str| {
        let mut surface = Surface::default();
        surface.items(syn::parse_file(text).unwrap().items, Path::new("nowhere"), "x");
        surface.lines()
    };
    let before = listed(SAMPLE);
    for (from, to, is_noticed) in [
        ("pub one: u8", "pub one: u16", true),
        ("pub fn f(&self) {}", "pub fn f(&self, more: u8) {}", true),
        ("pub use inner::A;", "", true),
        ("pub enum E { V }", "pub enum E { V, W }", true),
        ("fn m(&self);", "fn m(&self) {}", true),
        ("fn g() {}", "fn g(&self) { let _ = 1; }", false),
        ("two: u8", "two: u16", false),
        ("fn private() {}", "fn private() -> u8 { 1 }", false),
    ] {
        assert!(SAMPLE.contains(from), "{from}");
        let after = listed(&SAMPLE.replace(from, to));
        assert_eq!(before != after, is_noticed, "{from} to {to}: {after:?}");
    }
}
