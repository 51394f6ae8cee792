//! What travels between Sagamore and its services: task messages, replies, commands, tokens.
