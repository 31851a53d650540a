//! Names looked up while a cell is written: their completions and their documentation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jupyter_protocol::messaging::{CompleteReply, CompleteRequest, InspectReply, InspectRequest};
use serde_json::{Map, json};

use super::Evaluation;
use crate::session::show::media;

impl Evaluation {
    pub(super) fn complete(&mut self, request: &CompleteRequest) -> CompleteReply {
        let Some((context, _)) = &mut self.context else {
            return CompleteReply::default();
        };
        let place = byte_offset(&request.code, request.cursor_pos);
        let found = catch_unwind(AssertUnwindSafe(|| context.completions(&request.code, place)));
        let Ok(Ok(found)) = found else {
            return CompleteReply::default();
        };
        let count = |offset: usize| request.code.get(..offset).unwrap_or("").chars().count();
        let (cursor_start, cursor_end) = (count(found.start_offset), count(found.end_offset));
        let types = found.completions.iter().map(|item| {
            json!({"text": item.code, "type": item.kind, "signature": item.label,
                   "start": cursor_start, "end": cursor_end})
        });
        let mut metadata = Map::new();
        metadata.insert("_jupyter_types_experimental".to_owned(), types.collect());
        CompleteReply {
            matches: found.completions.iter().map(|item| item.code.clone()).collect(),
            cursor_start,
            cursor_end,
            metadata,
            ..Default::default()
        }
    }

    pub(super) fn inspect(&mut self, request: &InspectRequest) -> InspectReply {
        let Some((context, _)) = &mut self.context else {
            return InspectReply::default();
        };
        let mut place = byte_offset(&request.code, request.cursor_pos);
        // The whole name under the cursor, and the bracket by which rust-analyzer knows a call.
        let rest = &request.code[place..];
        let inside = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        place += inside;
        if request.code[place..].starts_with('(') {
            place += 1;
        }
        let found = catch_unwind(AssertUnwindSafe(|| context.hover_at(&request.code, place)));
        match found {
            Ok(Ok((plain, html))) if plain != "No documentation found" => InspectReply {
                found: true,
                data: media(json!({"text/plain": plain, "text/html": html})),
                ..Default::default()
            },
            _ => InspectReply::default(),
        }
    }
}

fn byte_offset(code: &str, characters: usize) -> usize {
    code.char_indices().nth(characters).map_or(code.len(), |(offset, _)| offset)
}
