//! The mutex of the code that loom explores: parking_lot's in the product, loom's under the feature `loom`.

#[cfg(not(feature = "loom"))]
pub use parking_lot::Mutex;

#[cfg(feature = "loom")]
pub use self::explored::Mutex;

#[cfg(feature = "loom")]
mod explored {
    /// loom's mutex with the face of parking_lot's.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// Wraps `value`.
        pub fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        /// Waits for the lock.
        #[allow(clippy::unwrap_used, reason = "a poisoned lock means that the explored code panicked")]
        pub fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}
