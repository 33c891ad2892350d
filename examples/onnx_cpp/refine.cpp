// Refine two poses with an exported file: see README.md beside this file. The file's metadata says
// what its inputs are; NaN stands for a joint that was not found.
#include <onnxruntime_cxx_api.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) return std::puts("usage: refine FILE.onnx"), 2;
  constexpr int64_t poses = 2, joints = 17;
  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "refine");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);  // a frame is too little work for a second thread
  Ort::Session session(env, argv[1], options);

  struct Input { std::vector<int64_t> shape; std::vector<float> values; };
  std::map<std::string, Input> inputs{
      {"keypoints", {{poses, joints, 2}, std::vector<float>(poses * joints * 2)}},
      {"keypoint_scores", {{poses, joints}, std::vector<float>(poses * joints, 0.8f)}},
      {"scores", {{poses}, {0.9f, 0.4f}}},
      {"boxes", {{poses, 4}, {90, 90, 310, 310, 90, 90, 310, 310}}}};
  auto& points = inputs["keypoints"].values;
  for (size_t i = 0; i < points.size(); ++i) points[i] = 100 + 37 * i % 200;
  points[0] = points[1] = NAN;

  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  Ort::AllocatorWithDefaultOptions allocator;
  std::vector<std::string> names;
  std::vector<const char*> wanted;
  std::vector<Ort::Value> given;
  for (size_t i = 0; i < session.GetInputCount(); ++i)
    names.emplace_back(session.GetInputNameAllocated(i, allocator).get());
  for (auto& name : names) {
    auto& [shape, values] = inputs.at(name);
    wanted.push_back(name.c_str());
    given.push_back(Ort::Value::CreateTensor<float>(
        memory, values.data(), values.size(), shape.data(), shape.size()));
  }
  const char* result = "refined_scores";
  auto refined = session.Run(Ort::RunOptions{}, wanted.data(), given.data(), given.size(), &result, 1);
  for (int64_t i = 0; i < poses; ++i)
    std::printf("%.3f -> %.3f\n", inputs["scores"].values[i], refined[0].GetTensorData<float>()[i]);
}
