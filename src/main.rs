//! The `backhoe` command.

fn main() -> std::process::ExitCode {
    backhoe::cli::main()
}
