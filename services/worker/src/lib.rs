//! Write a Sagamore service in ten lines.
