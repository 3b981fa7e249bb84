// The program: lists its verbs, runs one, and turns errors into a line on stderr and an exit status
// (0 done, 1 failed, 2 wrong usage, 130 interrupted).
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "base/cancel.h"
#include "base/error.h"
#include "base/version.h"
#include "cli/verb.h"
#include "linalg/blas_info.h"

namespace {

std::string version_text() {
  const prunenet::BlasInfo blas = prunenet::blas_info();
  std::string text = std::string("prunenet ") + PRUNENET_VERSION + "\nlinear algebra: " + blas.name;
  if (!blas.is_optimised)
    text += "\nwarning: the reference BLAS is about a hundred times slower than OpenBLAS: install libopenblas0-openmp";
  return text;
}

void install_signals() {
  std::signal(SIGINT, [](int) { prunenet::request_cancel(); });
  std::signal(SIGTERM, [](int) { prunenet::request_cancel(); });
  // The terminal is gone. Under nohup it is ignored, and stays so.
  struct sigaction former {};
  const bool is_ignored = ::sigaction(SIGHUP, nullptr, &former) == 0 && former.sa_handler == SIG_IGN;
  if (!is_ignored) std::signal(SIGHUP, [](int) { prunenet::request_cancel(); });
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then an error of write(), reported like a full disk
}

// What is wrong with the command line, in this program's words where CLI11's would puzzle.
std::string usage_problem(const CLI::App& program, const CLI::ParseError& error) {
  const std::vector<std::string> left = program.remaining(true);
  if (program.get_subcommands().empty()) {
    std::string verbs;
    for (const CLI::App* verb : program.get_subcommands([](const CLI::App*) { return true; }))
      verbs += (verbs.empty() ? "" : ", ") + verb->get_name();
    const std::string found = left.empty() ? "no verb given" : "'" + left.front() + "' is no verb";
    return found + "; the verbs are " + verbs + " (prunenet VERB --help)";
  }
  const std::string help = " (prunenet " + program.get_subcommands().front()->get_name() + " --help)";
  if (!left.empty()) return "'" + left.front() + "' was not expected" + help;
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    for (const CLI::Option* option : program.get_subcommands().front()->get_options()) {
      if (option->get_items_expected_max() != 1 || option->count() < 2) continue;
      const std::string times = option->count() == 2 ? "twice" : std::to_string(option->count()) + " times";
      return option->get_name() + ": is given " + times + help;
    }
  }
  return error.what() + help;
}

int run(const prunenet::cli::Action& action) {
  try {
    action();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw std::runtime_error("cannot write the result to stdout");
    return 0;
  } catch (const prunenet::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.code() == prunenet::ErrorCode::kCancelled ? 130 : 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "error: out of memory\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program{"Makes large language models smaller without calibration data, and shows what that cost.",
                   "prunenet"};
  program.set_version_flag("--version", version_text, "Version, and the linear algebra library in use");
  program.require_subcommand(0, 1);  // not 1: an unknown verb would then be called a missing one, and not by its name
  program.footer("Every verb has --help with its options and an example.");
  prunenet::cli::Action action;
  prunenet::cli::add_inspect(program, action);
  prunenet::cli::add_plan(program, action);
  prunenet::cli::add_spectrum(program, action);
  prunenet::cli::add_train(program, action);
  prunenet::cli::add_prune(program, action);
  prunenet::cli::add_tokenize(program, action);
  prunenet::cli::add_score(program, action);
  prunenet::cli::add_generate(program, action);
  prunenet::cli::add_eval(program, action);
  prunenet::cli::add_compare(program, action);
  prunenet::cli::add_compare_methods(program, action);
  prunenet::cli::add_convert(program, action);
  prunenet::cli::add_bench(program, action);
  try {
    program.parse(argc, argv);
    if (!action) throw CLI::RequiredError("A verb");
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    std::fprintf(stderr, "error: %s\n", usage_problem(program, error).c_str());
    return 2;
  } catch (const prunenet::Error& error) {  // options that no input could make right
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  install_signals();
  return run(action);
}
