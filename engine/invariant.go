package engine

func (w *World) check(TaskID) {}
