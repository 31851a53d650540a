//! The variables of a notebook session, as its cells pass them on.
//!
//! evcxr writes a store like this one into every cell, where compiling it takes longer than
//! compiling the cell. The kernel points its cells here instead (`docker/kernel/src/front/source.rs`), so
//! what a cell adds to it is boxing and unboxing. Names and meaning are evcxr's; the store holds
//! one map and nothing else, so that it can be handed on between cells compiled either way.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// Variables by name.
#[derive(Default)]
pub struct VariableStore {
    variables: HashMap<String, Box<dyn Any>>,
}

/// The store of a new session; the session's cells own it.
pub fn create_variable_store() -> *mut VariableStore {
    Box::into_raw(Box::default())
}

impl VariableStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a variable.
    pub fn put_variable<T: 'static>(&mut self, name: &str, value: T) {
        self.insert(name, Box::new(value));
    }

    /// Whether the variable, if there is one, still has the type the cell was compiled for: a
    /// struct may have been defined anew. The kernel is told where it has not.
    pub fn check_variable<T: 'static>(&mut self, name: &str) -> bool {
        self.has_type(name, TypeId::of::<T>())
    }

    /// Gives a variable to the cell.
    ///
    /// # Panics
    ///
    /// Where there is none of that name and type, which evcxr has checked before.
    pub fn take_variable<T: 'static>(&mut self, name: &str) -> T {
        match self.remove(name).downcast() {
            Ok(value) => *value,
            Err(_) => wrong_type(name),
        }
    }

    /// A shared value, made at first use.
    ///
    /// # Panics
    ///
    /// Where `name` stands for a value of another type.
    pub fn lazy_arc<T: 'static, F: FnOnce() -> T>(&mut self, name: &str, create: F) -> Arc<T> {
        if !self.variables.contains_key(name) {
            self.insert(name, Box::new(Arc::new(create())));
        }
        match self.variables.get(name).and_then(|value| value.downcast_ref::<Arc<T>>()) {
            Some(value) => value.clone(),
            None => wrong_type(name),
        }
    }

    /// Takes over all variables of another store.
    pub fn merge(&mut self, other: Self) {
        self.variables.extend(other.variables);
    }

    // Compiled here, once: none of these knows a cell's types.

    #[inline(never)]
    fn insert(&mut self, name: &str, value: Box<dyn Any>) {
        self.variables.insert(name.to_owned(), value);
    }

    #[inline(never)]
    fn remove(&mut self, name: &str) -> Box<dyn Any> {
        match self.variables.remove(name) {
            Some(value) => value,
            None => panic!("the variable `{name}` has gone missing"),
        }
    }

    #[inline(never)]
    fn has_type(&self, name: &str, wanted: TypeId) -> bool {
        let same = self.variables.get(name).is_none_or(|value| (**value).type_id() == wanted);
        if !same {
            eprintln!("The type of `{name}` was defined anew: the variable is lost.");
            println!("EVCXR_VARIABLE_CHANGED_TYPE:{name}");
        }
        same
    }
}

#[cold]
#[inline(never)]
fn wrong_type(name: &str) -> ! {
    panic!("the variable `{name}` has another type than the cell was compiled for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_keep_their_value_and_know_their_type() {
        let mut store = VariableStore::new();
        store.put_variable("a", vec![1, 2]);
        assert!(store.check_variable::<Vec<i32>>("a") && store.check_variable::<u8>("missing"));
        assert!(!store.check_variable::<u8>("a"));
        let mut other = VariableStore::new();
        other.put_variable("b", 3u8);
        store.merge(other);
        assert_eq!(store.take_variable::<Vec<i32>>("a"), [1, 2]);
        assert_eq!(store.take_variable::<u8>("b"), 3);
        let first = store.lazy_arc("c", || 1u64);
        assert!(Arc::ptr_eq(&first, &store.lazy_arc("c", || 2u64)));
    }
}
