//! The walk over a file that finds its statements, scopes and bindings.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Decorator, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::{Binding, File, Scope, Statement};

/// What a walk finds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) statements: Vec<Statement>,
    pub(super) scopes: Vec<Scope>,
    pub(super) bindings: Vec<Binding>,
}

/// A walk over the statements of a file. It is as deep as the file is indented; expressions are not
/// walked.
pub(super) struct Walk<'f> {
    pub(super) file: &'f File,
    pub(super) found: &'f mut Found,
}

impl Walk<'_> {
    pub(super) fn suite(&mut self, body: &[Stmt], scope: usize) {
        body.iter().for_each(|statement| self.statement(statement, scope));
    }

    fn statement(&mut self, statement: &Stmt, scope: usize) {
        let start = statement.start();
        match statement {
            Stmt::FunctionDef(it) => {
                self.definition(statement, (&it.name, false), &it.decorator_list, &it.body, scope);
            }
            Stmt::ClassDef(it) => {
                self.definition(statement, (&it.name, true), &it.decorator_list, &it.body, scope);
            }
            Stmt::If(it) => {
                self.block(start, &it.body, scope);
                for clause in &it.elif_else_clauses {
                    self.block(clause.start(), &clause.body, scope);
                }
            }
            Stmt::While(it) => {
                self.block(start, &it.body, scope);
                self.suite(&it.orelse, scope);
            }
            Stmt::For(it) => {
                self.bind(&it.target, scope, statement.range());
                self.block(start, &it.body, scope);
                self.suite(&it.orelse, scope);
            }
            Stmt::With(it) => {
                for target in it.items.iter().filter_map(|item| item.optional_vars.as_deref()) {
                    self.bind(target, scope, statement.range());
                }
                self.block(start, &it.body, scope);
            }
            Stmt::Match(it) => {
                if let Some(first) = it.cases.first() {
                    self.push(self.head(start, first.start()), scope);
                }
                for case in &it.cases {
                    self.block(case.start(), &case.body, scope);
                }
            }
            Stmt::Try(it) => {
                self.suite(&it.body, scope);
                for ExceptHandler::ExceptHandler(handler) in &it.handlers {
                    self.block(handler.start(), &handler.body, scope);
                }
                self.suite(&it.orelse, scope);
                self.suite(&it.finalbody, scope);
            }
            _ => {
                self.push(statement.range(), scope);
                self.bindings_of(statement, scope);
            }
        }
    }

    fn bindings_of(&mut self, statement: &Stmt, scope: usize) {
        let range = statement.range();
        match statement {
            Stmt::Assign(it) => it.targets.iter().for_each(|target| self.bind(target, scope, range)),
            Stmt::AugAssign(it) => self.bind(&it.target, scope, range),
            Stmt::AnnAssign(it) if it.value.is_some() => self.bind(&it.target, scope, range),
            Stmt::Import(it) => self.import(&it.names, scope, range),
            Stmt::ImportFrom(it) => self.import(&it.names, scope, range),
            _ => {}
        }
    }

    fn import(&mut self, names: &[ruff_python_ast::Alias], scope: usize, range: TextRange) {
        for alias in names {
            self.bind_name(alias.asname.as_ref().unwrap_or(&alias.name), scope, range, Vec::new());
        }
    }

    /// A statement with others inside: its head, then they.
    fn block(&mut self, start: TextSize, body: &[Stmt], scope: usize) {
        if let Some(first) = body.first() {
            self.push(self.head(start, first.start()), scope);
        }
        self.suite(body, scope);
    }

    fn definition(
        &mut self,
        statement: &Stmt,
        (name, is_class): (&str, bool),
        decorators: &[Decorator],
        body: &[Stmt],
        parent: usize,
    ) {
        use TokenKind::{Async, Class, Def};
        let behind = decorators.last().map_or(statement.start(), Ranged::end);
        let tokens = self.file.parsed.tokens();
        let from = tokens.partition_point(|token| token.start() < behind);
        let word = tokens.iter().skip(from).find(|token| matches!(token.kind(), Async | Class | Def));
        let start = word.map_or(behind, Ranged::start);
        let end = body.first().map_or(statement.end(), Ranged::start);
        let header = self.head(start, end);
        let decorators: Vec<TextRange> = decorators.iter().map(Ranged::range).collect();
        decorators.iter().for_each(|range| self.push(*range, parent));
        self.push(header, parent);
        let first = decorators.first().map_or(start, Ranged::start);
        self.bind_name(name, parent, header, decorators);
        let qualname = match self.scope(parent) {
            None => name.to_owned(),
            Some(Scope { is_class: true, qualname, .. }) => format!("{qualname}.{name}"),
            Some(Scope { qualname, .. }) => format!("{qualname}.<locals>.{name}"),
        };
        let (first_line, def_line) = (self.file.line_of(first), self.file.line_of(start));
        self.found.scopes.push(Scope { qualname, is_class, parent, first_line, def_line, header });
        self.suite(body, self.found.scopes.len());
    }

    /// A scope that was found; `None` for the module.
    fn scope(&self, scope: usize) -> Option<&Scope> {
        self.found.scopes.get(scope.checked_sub(1)?)
    }

    /// What stands before the colon before `body`.
    fn head(&self, start: TextSize, body: TextSize) -> TextRange {
        let tokens = self.file.parsed.tokens();
        let before = tokens.partition_point(|token| token.start() < body);
        let colon = tokens.iter().take(before).rev().find(|token| token.kind() == TokenKind::Colon);
        TextRange::new(start, colon.map_or(body, Ranged::start).max(start))
    }

    fn push(&mut self, range: TextRange, scope: usize) {
        self.found.statements.push(Statement { range, scope });
    }

    fn bind(&mut self, target: &Expr, scope: usize, range: TextRange) {
        match target {
            Expr::Name(name) => self.bind_name(&name.id, scope, range, Vec::new()),
            // Deeper than that nobody unpacks.
            Expr::Tuple(parts) => parts.elts.iter().for_each(|part| {
                if let Expr::Name(name) = part {
                    self.bind_name(&name.id, scope, range, Vec::new());
                }
            }),
            _ => {}
        }
    }

    fn bind_name(&mut self, name: &str, scope: usize, range: TextRange, decorators: Vec<TextRange>) {
        if self.scope(scope).is_some_and(|scope| scope.is_class) {
            self.found.bindings.push(Binding { scope, name: name.to_owned(), range, decorators });
        }
    }
}
