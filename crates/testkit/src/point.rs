//! A scripted extension point: its subject is a number.

use tenterhook_contract::{
    BuiltInType, Description, ExtensionPoint,
    answer::{Answer, Command, Operand},
    problem::{Change, Problem, ProblemCode},
};

/// The number that fallback commands may not set.
pub const KNOWN_TO_THE_SERVICE: i64 = 99;

/// An extension point of this type whose subject is a number: the command `set` replaces it, every other one is a problem.
/// A number below zero falls back.
#[derive(Clone, Copy, Debug)]
pub struct Numbers(pub BuiltInType);

impl ExtensionPoint for Numbers {
    type Context = ();
    type Subject = i64;
    type Data<'a> = i64;

    fn description(&self) -> &Description {
        self.0.description()
    }

    fn falls_back(&self, subject: &i64) -> bool {
        *subject < 0
    }

    fn known_to_the_service_alone(&self, subject: &i64) -> Option<&'static str> {
        (*subject == KNOWN_TO_THE_SERVICE).then_some("a guess")
    }

    fn data<'a>(&self, (): &'a (), subject: &'a i64) -> i64 {
        *subject
    }

    fn interpret(&self, subject: &mut i64, answer: Answer) -> Result<Vec<Change>, Vec<Problem>> {
        let number = |command: &Command| match &command.operand {
            Operand::Other(value) if command.kind == "set" => value.as_i64(),
            _ => None,
        };
        match answer.commands.iter().map(number).collect::<Option<Vec<_>>>().as_deref() {
            Some([.., last]) => {
                *subject = *last;
                Ok(vec![Change { command: "set".into(), op: "set", path: "/".into() }])
            }
            _ => Err(vec![Problem {
                code: ProblemCode::UnknownCommand,
                pointer: "/commands/0".into(),
                message: "not a number".into(),
                hint: None,
            }]),
        }
    }
}
