//! What clients say, and what they get for it.

use std::time::Instant;

use rustix::event::PollFlags;

use super::connection::Attached;
use super::frames::{self, STDIN};
use super::outcome::{ErrorMessage, Status};
use super::request::Command;
use super::session::Session;
use super::wait::Ready;
use crate::launch::walk::Stage;
use crate::launch::{Failed, now};
use crate::sys;

impl Session {
    pub fn serve(&mut self, ready: &Ready) -> std::result::Result<(), Failed> {
        for (number, events) in ready.connections.iter().enumerate() {
            if events.contains(PollFlags::OUT) {
                self.hub.connections[number].flush();
            }
            if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                self.read_connection(number, *events)?;
            }
        }
        let now = Instant::now();
        self.hub.connections.retain(|connection| {
            let patient = connection.deadline(false).is_none_or(|deadline| now < deadline);
            !connection.gone && patient
        });
        Ok(())
    }

    fn read_connection(&mut self, number: usize, events: PollFlags) -> std::result::Result<(), Failed> {
        let connection = &mut self.hub.connections[number];
        let open = connection.read(&mut self.buffer);
        let mut reader = std::mem::take(&mut connection.reader);
        let mut sensible = true;
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some((kind, payload))) => self.take_frame(number, kind, payload)?,
                Err(_) => {
                    sensible = false;
                    break;
                }
            }
        }
        self.hub.connections[number].reader = reader;
        if !sensible {
            self.hub.connections[number].gone = true; // the protocol says so: who sends no frames is put out
        }
        if !open {
            let connection = &mut self.hub.connections[number];
            if connection.attached.is_some_and(|attached| attached.stdin) {
                self.input_ends();
            }
            let connection = &mut self.hub.connections[number];
            // before "go" the engine's end of the socket is its word; later a half-closed client still gets output
            connection.gone |= events.contains(PollFlags::HUP)
                || connection.attached.is_none()
                || (connection.control && self.began == 0);
        }
        Ok(())
    }

    fn take_frame(&mut self, number: usize, kind: u8, payload: &[u8]) -> std::result::Result<(), Failed> {
        let feeds = self.hub.connections[number].attached.is_some_and(|attached| attached.stdin);
        match kind {
            STDIN if feeds && payload.is_empty() => self.input_ends(),
            STDIN if feeds => self.stdio.feed(payload),
            STDIN => {}
            frames::MESSAGE => {
                self.hub.connections[number].has_spoken();
                match serde_json::from_slice::<Command>(payload) {
                    Ok(command) => self.obey(number, command)?,
                    Err(error) => self.answer(number, &ErrorMessage { message: &error.to_string() }),
                }
            }
            _ => self.answer(number, &ErrorMessage { message: "output does not go this way" }),
        }
        Ok(())
    }

    fn input_ends(&mut self) {
        if self.request.stdin_once {
            self.stdio.end_input();
        }
    }

    fn obey(&mut self, number: usize, command: Command) -> std::result::Result<(), Failed> {
        let is_control = self.hub.connections[number].control;
        match command {
            Command::Go if is_control && self.walk.stage == Stage::Created && self.began == 0 => {
                self.began = now();
                self.walk.go(&mut self.hub)?;
                return Ok(());
            }
            Command::Go => self.answer(number, &ErrorMessage { message: "it is not the time to go" }),
            Command::Attach { .. } if is_control => {
                self.answer(number, &ErrorMessage { message: "the control connection is attached" });
            }
            Command::Attach { stdin, stdout, stderr } => {
                let attached = Attached { stdin: stdin && self.request.stdin, stdout, stderr };
                self.hub.connections[number].attached = Some(attached);
            }
            Command::Resize { rows, columns } => match self.stdio.resize(rows, columns) {
                Ok(()) => self.answer_if_asked(number),
                Err(errno) => self.answer(number, &ErrorMessage { message: &format!("resize: {errno}") }),
            },
            Command::Signal { signal } => match self.signal(signal) {
                Ok(()) => self.answer_if_asked(number),
                Err(message) => self.answer(number, &ErrorMessage { message: &message }),
            },
            Command::Status => self.answer(number, &self.status()),
        }
        Ok(())
    }

    /// A client that is not attached gets one answer to each message: where nothing else is to say, the status.
    fn answer_if_asked(&mut self, number: usize) {
        if self.hub.connections[number].attached.is_none() {
            self.answer(number, &self.status());
        }
    }

    fn status(&self) -> Status {
        Status { pid: self.pid, start: self.start, exited: self.ended.is_some() }
    }

    fn answer(&mut self, number: usize, message: &impl serde::Serialize) {
        let connection = &mut self.hub.connections[number];
        frames::push_message(&mut connection.out, message);
        connection.flush();
    }

    /// Send a signal to the container's first process: by descriptor, so never to another one with its old id.
    fn signal(&self, number: i32) -> std::result::Result<(), String> {
        let process = self.walk.process().filter(|_| self.told_created && self.ended.is_none());
        let process = process.ok_or("there is no process")?;
        sys::signals::send(&process.fd, number).map_err(|errno| format!("signal {number}: {errno}"))
    }
}
