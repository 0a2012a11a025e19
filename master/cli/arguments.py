"""Which command the arguments name, and what is said if they name none or lack an option."""

import click
from click.shell_completion import CompletionItem

from common.errors import did_you_mean
from master.cli.guide import first_run, missing_in_words


class DefaultGroup(click.Group):
    """Uses its first command when none is named, so that its options stand alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the first command's name."""
        if args and args[0].startswith("-"):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands, or the options of the first one."""
        if incomplete.startswith("-"):
            return next(iter(self.commands.values())).shell_complete(ctx, incomplete)
        return super().shell_complete(ctx, incomplete)


class Commands(DefaultGroup):
    """All commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name all commands if there is none of that name."""
        if args[0] not in self.commands:
            known, meant = ", ".join(self.commands), did_you_mean(args[0], self.commands)
            raise click.UsageError(f"No such command {args[0]!r}. There are: {known}{meant}")
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """Say what to type, for nothing was typed: `--help` alone is the first command's."""
        return first_run(ctx.command_path)


class OneCommand(click.Command):
    """Names all missing options at once."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; UsageError names those that are missing."""
        typed, given = list(args), {each.partition("=")[0] for each in args}
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter:
            missing = [each for each in self.params if each.required and not given.intersection(each.opts)]
            if not missing:  # one stands at the end, without its value, which click says
                raise
            raise click.UsageError(missing_in_words(ctx.command_path, typed, missing)) from None
