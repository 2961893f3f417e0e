//! Handing values between the heartbeat thread and the rest without a lock, and without the thread ever allocating
//! or freeing: a lock, or the allocator's, could be held by a thread that a loaded host does not run.
//!
//! A stack of nodes is taken whole by one atomic swap, so there is no ABA problem; only the owner of a taken list
//! walks it.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

struct Node<T> {
    value: T,
    next: *mut Node<T>,
}

/// A list of values, owned; newest first as it comes from a [`Stack`].
pub(crate) struct List<T> {
    head: *mut Node<T>,
}

// SAFETY: a list owns its nodes; they move with it.
unsafe impl<T: Send> Send for List<T> {}

impl<T> List<T> {
    pub fn new() -> Self {
        Self { head: ptr::null_mut() }
    }

    /// Adds a value, allocating.
    pub fn push_new(&mut self, value: T) {
        self.head = Box::into_raw(Box::new(Node { value, next: self.head }));
    }

    /// Moves the first node of this list to the front of the other; false when there is none.
    pub fn move_first_to(&mut self, other: &mut List<T>) -> bool {
        if self.head.is_null() {
            return false;
        }
        let node = self.head;
        // SAFETY: the list owns its nodes, and the head is not null.
        unsafe {
            self.head = (*node).next;
            (*node).next = other.head;
        }
        other.head = node;
        true
    }

    /// The same nodes in the other order.
    pub fn reversed(mut self) -> List<T> {
        let mut out = List::new();
        while self.move_first_to(&mut out) {}
        out
    }

    pub fn first_mut(&mut self) -> Option<&mut T> {
        // SAFETY: the list owns its nodes, and is borrowed for as long as the value.
        unsafe { self.head.as_mut().map(|node| &mut node.value) }
    }

    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            // SAFETY: the list owns its nodes and is borrowed by the iterator.
            let node = unsafe { at.as_ref()? };
            at = node.next;
            Some(&node.value)
        })
    }
}

impl<T> Drop for List<T> {
    fn drop(&mut self) {
        while !self.head.is_null() {
            // SAFETY: the list owns its nodes; each came from a box and is visited once.
            let node = unsafe { Box::from_raw(self.head) };
            self.head = node.next;
        }
    }
}

/// A stack that any thread pushes to and one takes whole.
pub(crate) struct Stack<T> {
    head: AtomicPtr<Node<T>>,
}

impl<T> Stack<T> {
    pub fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Pushes all nodes of a list, in its order from the last: the list's first is the stack's first.
    pub fn push(&self, mut list: List<T>) {
        let first = std::mem::replace(&mut list.head, ptr::null_mut());
        if first.is_null() {
            return;
        }
        let mut last = first;
        // SAFETY: this call owns the nodes until the exchange publishes them.
        unsafe {
            while !(*last).next.is_null() {
                last = (*last).next;
            }
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: as above; the exchange has not succeeded yet.
            unsafe { (*last).next = head };
            match self.head.compare_exchange_weak(head, first, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes everything, newest first. Wait-free.
    pub fn take(&self) -> List<T> {
        List { head: self.head.swap(ptr::null_mut(), Ordering::Acquire) }
    }

    /// Puts one value in place of everything that waits, and returns that.
    pub fn replace(&self, value: T) -> List<T> {
        let mut list = List::new();
        list.push_new(value);
        let head = std::mem::replace(&mut list.head, ptr::null_mut());
        List { head: self.head.swap(head, Ordering::AcqRel) }
    }
}

impl<T> Drop for Stack<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn order_and_ownership() {
        let counted = Arc::new(AtomicUsize::new(0));
        struct Counted(u32, Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.1.fetch_add(1, Ordering::Relaxed);
            }
        }
        let stack = Stack::new();
        for n in 1..=4 {
            let mut one = List::new();
            one.push_new(Counted(n, Arc::clone(&counted)));
            stack.push(one);
        }
        let taken = stack.take().reversed();
        assert_eq!(taken.iter().map(|c| c.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(stack.take().is_empty());
        stack.push(taken);
        assert_eq!(stack.take().iter().map(|c| c.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(counted.load(Ordering::Relaxed), 4, "each freed once");
        drop(stack.replace(Counted(5, Arc::clone(&counted))));
        drop(stack);
        assert_eq!(counted.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn nothing_is_lost_or_doubled_between_threads() {
        const EACH: u64 = 20_000;
        let stack = Arc::new(Stack::new());
        let pushers: Vec<_> = (0..3)
            .map(|from| {
                let stack = Arc::clone(&stack);
                std::thread::spawn(move || {
                    for n in 0..EACH {
                        let mut one = List::new();
                        one.push_new((from, n));
                        stack.push(one);
                    }
                })
            })
            .collect();
        let mut next = [0; 3];
        while next.iter().sum::<u64>() < 3 * EACH {
            for (from, n) in stack.take().reversed().iter() {
                assert_eq!(*n, next[*from], "in each pusher's order");
                next[*from] += 1;
            }
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
    }
}
