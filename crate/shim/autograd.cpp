// What tch does not offer: an operation whose backward pass is a Rust closure, fused Adam, and a count
// of the times that the host waited for a device.
// Compiled once against the same libtorch as libtch.so (docker/libtorch.sh). No exception and no
// panic crosses the boundary: both travel as strings owned by Rust's or C's allocator.
#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

extern "C" {
// Takes ownership of `gradient`; on success stores an owned tensor in `result` and returns null,
// otherwise returns a message to be released with `release`.
typedef char *(*solvergrad_backward)(void *closure, torch::Tensor *gradient, torch::Tensor **result);
typedef void (*solvergrad_drop)(void *closure);
typedef void (*solvergrad_release)(char *message);
}

// Lives as long as the graph node, and takes the Rust closure with it.
struct Closure : torch::CustomClassHolder {
  void *closure;
  solvergrad_backward backward;
  solvergrad_drop drop;
  solvergrad_release release;
  torch::Tensor output;
  ~Closure() override { drop(closure); }
};

struct Replacement : torch::autograd::Function<Replacement> {
  // The output travels inside the holder: were it an argument, autograd would treat it as an
  // input returned unchanged.
  static torch::Tensor forward(torch::autograd::AutogradContext *context, torch::Tensor input,
                               c10::intrusive_ptr<Closure> holder) {
    (void)input;
    torch::Tensor output = std::move(holder->output);
    context->saved_data["closure"] = c10::IValue::make_capsule(std::move(holder));
    return output;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    // A replacement is not the derivative of anything: its own derivative would silently be zero.
    if (at::GradMode::is_enabled())
      throw std::runtime_error(
          "a solver layer has no second derivative; call backward without create_graph");
    auto capsule = context->saved_data["closure"].toCapsule();
    auto *holder = static_cast<Closure *>(capsule.get());
    at::NoGradGuard no_grad;
    torch::Tensor *result = nullptr;
    char *message = holder->backward(holder->closure, new torch::Tensor(gradients[0]), &result);
    if (message != nullptr) {
      std::string text(message);
      holder->release(message);
      throw std::runtime_error(text);
    }
    torch::Tensor gradient = std::move(*result);
    delete result;
    return {gradient, torch::Tensor()};
  }
};

template <class Body> char *guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}

std::vector<torch::Tensor> list(torch::Tensor **tensors, int64_t count) {
  std::vector<torch::Tensor> result;
  result.reserve(count);
  for (int64_t i = 0; i < count; ++i) result.push_back(*tensors[i]);
  return result;
}

// Operations whose result the host has to wait for, and copies between devices.
std::atomic<int64_t> host_waits{0};

std::unique_ptr<at::ObserverContext> count_wait(const at::RecordFunction &function) {
  static constexpr std::array<const char *, 7> waiting = {
      "aten::_local_scalar_dense", "aten::nonzero",  "aten::masked_select",     "aten::equal",
      "aten::unique_dim",          "aten::_unique2", "aten::unique_consecutive"};
  const char *name = function.name();
  const auto is_name = [name](const char *other) { return std::strcmp(name, other) == 0; };
  bool waits = std::any_of(waiting.begin(), waiting.end(), is_name);
  if (is_name("aten::copy_")) {
    auto inputs = function.inputs();
    waits = inputs.size() > 1 && inputs[0].isTensor() && inputs[1].isTensor() &&
            inputs[0].toTensor().device() != inputs[1].toTensor().device();
  }
  if (waits) ++host_waits;
  return nullptr;
}

}  // namespace

extern "C" {

// Counts on this thread, and on autograd's threads that work for it, from `start` on; `stop` returns
// the number.
uint64_t solvergrad_start_counting_waits() {
  host_waits = 0;
  return at::addThreadLocalCallback(at::RecordFunctionCallback(count_wait).needsInputs(true));
}

int64_t solvergrad_stop_counting_waits(uint64_t handle) {
  at::removeCallback(handle);
  return host_waits;
}

// result = output, with `closure` as its backward pass towards `input`. The closure is dropped
// with the graph, or at once on failure. Messages are released with free().
char *solvergrad_replace_gradient(torch::Tensor *input, torch::Tensor *output, void *closure,
                                  solvergrad_backward backward, solvergrad_drop drop,
                                  solvergrad_release release, torch::Tensor **result) {
  auto holder = c10::make_intrusive<Closure>();
  holder->closure = closure;
  holder->backward = backward;
  holder->drop = drop;
  holder->release = release;
  return guarded([&] {
    // The history goes into the output's own tensor object: the caller's stays as it is.
    holder->output = output->detach();
    *result = new torch::Tensor(Replacement::apply(*input, holder));
  });
}

// The flag of an interrupted cell, and how often it was looked at. One for all cells, since each of
// them is a library of its own; set by the kernel's process (docker/kernel/src/child.rs).
volatile int solvergrad_interrupt = 0;
volatile int solvergrad_interrupt_checks = 0;

int solvergrad_interrupt_requested() {
  if (solvergrad_interrupt_checks == 0) solvergrad_interrupt_checks = 1;
  return solvergrad_interrupt;
}

// Unsets the gradients, so that a parameter outside the next graph has none.
char *solvergrad_clear_gradients(torch::Tensor **tensors, int64_t count) {
  return guarded([&] {
    for (int64_t i = 0; i < count; ++i) tensors[i]->mutable_grad().reset();
  });
}

// One step of Adam on all parameters at once, in place. `steps` are float32 scalars.
char *solvergrad_adam(torch::Tensor **parameters, torch::Tensor **gradients, torch::Tensor **first,
                      torch::Tensor **second, torch::Tensor **steps, int64_t count,
                      double learning_rate, double beta1, double beta2, double epsilon) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    auto parameter_list = list(parameters, count);
    auto gradient_list = list(gradients, count);
    auto first_list = list(first, count);
    auto second_list = list(second, count);
    auto step_list = list(steps, count);
    at::_foreach_add_(step_list, 1);
    at::_fused_adam_(parameter_list, gradient_list, first_list, second_list, {}, step_list,
                     learning_rate, beta1, beta2, /*weight_decay=*/0, epsilon,
                     /*amsgrad=*/false, /*maximize=*/false);
  });
}
}
